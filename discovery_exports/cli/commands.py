"""Registers a function as a command: with the global options, a context, exit codes, and errors of one line."""

import inspect
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from discovery_exports import __version__
from discovery_exports.cli.context import STACK, STACK_VARIABLE, Context, Options
from discovery_exports.cli.failures import ExitCode, Failure, failure_of, sentence
from discovery_exports.cli.output import Form
from discovery_exports.cli.text import printable

PROGRAM = "discovery-exports"

GLOBAL_OPTIONS: dict[str, tuple[Any, Any]] = {
    "stack": (
        Annotated[
            str | None,
            typer.Option(metavar="NAME", help=f"The CloudFormation stack. Default: {STACK_VARIABLE}, then {STACK}."),
        ],
        None,
    ),
    "profile": (
        Annotated[str | None, typer.Option(metavar="NAME", help="The profile of your AWS configuration files.")],
        None,
    ),
    "region": (
        Annotated[str | None, typer.Option(metavar="NAME", help="The Region of the stack.")],
        None,
    ),
    "output": (
        Annotated[
            Form | None,
            typer.Option("--output", "-o", help="Default: a table on a terminal, JSON anywhere else."),
        ],
        None,
    ),
    "debug": (
        Annotated[bool, typer.Option("--debug", help="Show where an error was raised. Download URLs are hidden.")],
        False,
    ),
}
"""Annotation and default of each global option, by its name in :class:`Options`."""

_VERSION = inspect.Parameter(
    "version",
    inspect.Parameter.KEYWORD_ONLY,
    annotation=Annotated[bool, typer.Option("--version", help="Show the installed release.")],
    default=False,
)
EXIT_CODES = (
    "Exit codes: 0 done; 1 an export is not stored; 2 wrong use; 3 an export or a run is pending; 130 interrupted; "
    "253 no credentials, Region, stack, connection or space; 254 AWS refused a call; 255 a defect."
)

Command = Callable[..., ExitCode | None]


class Group(TyperGroup):
    """Reports wrong use in one line, in place of Typer's usage text and box."""

    def main(self, *args: Any, **extra: Any) -> Any:
        extra["standalone_mode"] = False
        main = super().main
        sys.exit(guarded(lambda: self._run(main, *args, **extra), debug=False))

    @staticmethod
    def _run(main: Callable[..., Any], *args: Any, **extra: Any) -> Any:
        try:
            return main(*args, **extra)
        except SystemExit as ended:  # of Typer, which exits with 1 if the reader of the help has enough
            if isinstance(ended.__context__, BrokenPipeError):
                raise ended.__context__ from None
            raise
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            path = context.command_path if context else PROGRAM
            message = error.format_message().replace(": Value error, ", ": ", 1)  # of Pydantic, since Typer 0.29
            report(f"{sentence(message)} See: {path} --help")
            return error.exit_code
        except typer.Abort:
            return ExitCode.INTERRUPTED


class HelpfulCommand(TyperCommand):
    """Names its own help in every error of its options. Typer does not say whose option lacks a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise


def make_app() -> typer.Typer:
    """An app without commands. Its help is plain text: Rich's takes three times as long."""
    app = typer.Typer(
        name=PROGRAM,
        cls=Group,
        help="Shows what Discovery Exports has stored, and starts and follows its runs.",
        epilog=EXIT_CODES,
        invoke_without_command=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )

    def before_command(context: typer.Context, version: bool, **values: Any) -> None:
        context.obj = Options(**{name: values[name] for name in GLOBAL_OPTIONS})
        if version:
            print(f"{PROGRAM} {__version__}")
        elif context.invoked_subcommand is None:
            print(context.get_help())
            raise typer.Exit(ExitCode.USAGE)

    app.callback()(_with_parameters(before_command, [_VERSION]))
    return app


def make_group(app: typer.Typer, name: str, help: str) -> typer.Typer:
    """A group of commands of the app. Alone, it prints its help."""
    group = typer.Typer(cls=TyperGroup, help=help, invoke_without_command=True, rich_markup_mode=None)

    def before_command(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            print(context.get_help())
            raise typer.Exit(ExitCode.USAGE)

    group.callback()(before_command)
    app.add_typer(group, name=name)
    return group


def command(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """Register a function as the command ``name``. Its docstring is the help.

    The function gets a :class:`Context` and its own options. It returns the exit code, None for 0, and may raise a
    :class:`Failure` or any error of boto3.
    """

    def register(function: Command) -> Command:
        @wraps(function)
        def run(context: typer.Context, **values: Any) -> None:
            options = Options(**{each: values.pop(each) for each in GLOBAL_OPTIONS}).over(context.obj)
            raise typer.Exit(guarded(lambda: function(Context(options), **values), debug=options.debug))

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        app.command(name, cls=HelpfulCommand)(_with_parameters(run, own))
        return function

    return register


def _with_parameters(function: Callable[..., None], own: list[inspect.Parameter]) -> Callable[..., None]:
    """``function`` with the signature that Typer reads: the context, its own parameters, the global options."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("context", kind, annotation=typer.Context),
        *(each.replace(kind=kind) for each in own),
        *(
            inspect.Parameter(name, kind, annotation=annotation, default=default)
            for name, (annotation, default) in GLOBAL_OPTIONS.items()
        ),
    ]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in parameters}
    return function


def guarded(work: Callable[[], ExitCode | None], *, debug: bool) -> int:
    """The exit code of ``work``. An error becomes one line on standard error."""
    code: int | None = None
    try:
        code = work()
        sys.stdout.flush()
        return int(code or ExitCode.DONE)
    except typer.TyperException:
        raise
    except KeyboardInterrupt as interrupt:
        report(str(interrupt) or "Interrupted.")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # the reader of the output has enough, such as `head`
        _drop_output()
        return int(code or ExitCode.DONE)
    except Exception as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        return _failed(error, debug)


def _drop_output() -> None:
    """Python would write what is left in the buffer when it exits, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: Exception, debug: bool) -> int:
    if debug:
        import traceback

        from exports.redaction import redact

        print(printable(redact("".join(traceback.format_exception(error))), keep="\n"), end="", file=sys.stderr)
    failure = failure_of(error) or Failure(
        f"{type(error).__name__}: {sentence(error)} This is a defect: report it with what --debug prints."
    )
    report(str(failure))
    return int(failure.exit_code)


def report(message: str) -> None:
    print(f"{PROGRAM}: {printable(message)}", file=sys.stderr, flush=True)
