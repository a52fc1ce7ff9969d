"""The frame of every command: global options, wrong use, errors, and what help imports."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from discovery_exports import __version__
from discovery_exports.cli.app import app
from discovery_exports.cli.commands import Group, command, guarded, make_app
from discovery_exports.cli.context import Context, Options
from discovery_exports.cli.failures import ExitCode, Pending
from discovery_exports.cli.output import Form
from local.stack.servers import ROOT
from tests.unit.cli.stack import FakeStack, client_error, run

SECRET = "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=s3cr3t"


def options_of(*arguments: str) -> Any:
    """The global options that a command gets."""
    seen: list[Context] = []
    other = make_app()

    def look(context: Context) -> None:
        """Look."""
        seen.append(context)

    command(other, "look")(look)
    command(other, "other")(look)
    from typer.testing import CliRunner

    result = CliRunner().invoke(other, arguments)
    assert result.exit_code == 0, result.stderr
    return seen[0].options


def test_global_options_may_be_before_or_after_the_command() -> None:
    before = options_of("--stack", "A", "--profile", "p", "--region", "r", "-o", "csv", "--debug", "look")
    after = options_of("look", "--stack", "A", "--profile", "p", "--region", "r", "-o", "csv", "--debug")

    assert before == after
    assert (after.stack, after.profile, after.region, after.output, after.debug) == ("A", "p", "r", Form.CSV, True)


def test_an_option_after_the_command_wins() -> None:
    assert options_of("--stack", "A", "--region", "r", "look", "--stack", "B").stack == "B"
    assert options_of("--stack", "A", "--region", "r", "look", "--stack", "B").region == "r"


def test_the_stack_is_that_of_the_option_then_of_the_variable_then_the_default(stack: FakeStack) -> None:
    run("outputs")
    run("outputs", env={"DISCOVERY_EXPORTS_STACK": "Mine"})
    run("outputs", "--stack", "Other", env={"DISCOVERY_EXPORTS_STACK": "Mine"})

    assert stack.cloudformation.names == ["DiscoveryExports", "Mine", "Other"]


WRONG = {
    "no command": ((), ""),
    "unknown command": (("lst",), "No such command 'lst'. Did you mean 'list'? See: discovery-exports --help"),
    "unknown option": (("list", "--stat", "x"), "See: discovery-exports list --help"),
    "option without a value": (
        ("list", "--kind"),
        "Option '--kind' requires an argument. See: discovery-exports list --help",
    ),
    "global option without a value": (
        ("list", "-o"),
        "Option '-o' requires an argument. See: discovery-exports list --help",
    ),
    "global option of no command without a value": (
        ("--stack",),
        "Option '--stack' requires an argument. See: discovery-exports --help",
    ),
    "flag with a value": (
        ("store", "--wait=1"),
        "Option '--wait' does not take a value. See: discovery-exports store --help",
    ),
    "unknown form": (
        ("list", "-o", "xml"),
        "Invalid value for '--output' / '-o': 'xml' is not one of 'table', 'json', 'jsonl', 'csv'.",
    ),
    "no exports": (("list", "--limit", "0"), "Invalid value for '--limit': "),
    "unknown kind": (("list", "--kind", "server"), "'server' is not one of"),
    "unknown status": (("list", "--status", "done"), "'done' is not a status. Statuses are IN_PROGRESS, STORED,"),
    "no time": (("status", "--since", "soon"), "'soon' is not a time"),
    "future time": (
        ("status", "--since", "2100-01-01"),
        "'2100-01-01' is in the future: it is 2026-11-23 12:00 UTC now.",
    ),
    "no duration": (("status", "--late-after", "1"), "'1' is not a duration"),
    "missing argument": (("show",), "Missing argument 'ID'. See: discovery-exports show --help"),
    "too many arguments": (("show", "a", "b"), "Got unexpected extra argument"),
    "no export ID": (("show", "a/b"), "'a/b' is not an export ID"),
    "control characters": (("show", "\x1b[31m"), r"'\x1b[31m' is not an export ID"),
    "nothing to store": (("store",), "one of the three"),
    "IDs and all": (("store", "export-1", "--all"), "one of the three"),
    "IDs and an agent": (("store", "export-1", "--agent", "o-1"), "one of the three"),
    "no agent ID": (("store", "--agent", "o 1"), "'o 1' is not an agent ID"),
    "too long a timeout": (
        ("store", "export-1", "--wait", "--timeout", "999999999d"),
        "'999999999d' is not a duration",
    ),
    "too long a wait": (("watch", "export-1", "--timeout", "3651d"), "at most 3650d"),
    "too late": (("status", "--late-after", "999999999d"), "'999999999d' is not a duration"),
    "too long ago": (("list", "--since", "999999999d"), "'999999999d' is not a duration"),
    "empty output": (("outputs", ""), "has no output ''. It has BucketName,"),
    "timeout without wait": (("store", "export-1", "--timeout", "1h"), "Add --wait"),
    "unknown output": (("outputs", "Bucket"), "has no output 'Bucket'. It has BucketName,"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_wrong_use_is_one_line_and_exit_code_2(stack: FakeStack, arguments: tuple[str, ...], message: str) -> None:
    answer = run(*arguments)

    assert answer.code == ExitCode.USAGE
    if arguments:
        assert answer.out == ""
        assert message in answer.err
        assert (answer.err.count("\n"), "\x1b" in answer.err) == (1, False)
        assert not stack.steps.inputs


def test_the_prefix_of_pydantic_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Typer 0.29 has it in the message of each value that it refuses."""

    refused = typer.BadParameter("Value error, 'x' is not one of 'a', 'b'.", param_hint="--form")

    code = Group._run(raising(refused))

    assert code == ExitCode.USAGE
    assert "Invalid value for --form: 'x' is not one of 'a', 'b'. See:" in capsys.readouterr().err


def test_without_a_command_the_help_is_shown() -> None:
    assert run().out.startswith("Usage: discovery-exports [OPTIONS] COMMAND")


def test_the_release_is_shown() -> None:
    answer = run("--version")

    assert (answer.code, answer.out) == (0, f"discovery-exports {__version__}\n")


def raising(error: BaseException) -> Callable[[], ExitCode]:
    def work() -> ExitCode:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Pending("not yet"), ExitCode.PENDING),
        (client_error("AccessDenied"), ExitCode.REFUSED),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (KeyError("x"), ExitCode.DEFECT),
    ],
)
def test_an_error_is_one_line_without_a_traceback(
    error: BaseException, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(raising(error), debug=False) == code

    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "Traceback" in err) == ("", 1, False)


def test_debug_shows_where_an_error_was_raised_without_links(capsys: pytest.CaptureFixture[str]) -> None:
    error = client_error("Odd", f"\x1b[31m {SECRET}")
    error.__cause__ = RuntimeError(f"GET {SECRET}")

    guarded(raising(error), debug=True)

    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in work" in err
    assert "RuntimeError" in err
    assert "s3cr3t" not in err
    assert "\x1b" not in err


def test_a_reader_that_has_enough_does_not_change_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Closed(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    with (tmp_path / "output").open("w") as opened:
        closed = Closed()
        monkeypatch.setattr(closed, "fileno", opened.fileno, raising=False)
        monkeypatch.setattr(sys, "stdout", closed)

        assert guarded(lambda: ExitCode.PENDING, debug=False) == ExitCode.PENDING


def in_shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``$it`` is the command."""
    variables = {**os.environ, "it": f"{sys.executable} -m discovery_exports.cli", **env}
    return subprocess.run(["bash", "-c", line], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("arguments", "code"), [("--help", 0), ("--version", 0), ("query", 0)])
def test_a_reader_that_closes_the_pipe_is_no_error(arguments: str, code: int) -> None:
    # The reader is gone before the command writes.
    done = in_shell(f"exec 3> >(exit); wait $!; $it {arguments} >&3")

    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize("arguments", ["--help", "--version", "query", "query -o csv", "query -o table", ""])
@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_one_line(arguments: str, target: str) -> None:
    done = in_shell(f"$it {arguments} {target}")

    assert (done.returncode, done.stdout) == (ExitCode.CONFIGURATION, "")
    assert done.stderr.startswith("discovery-exports: Cannot write the output: ")
    assert done.stderr.count("\n") == 1


def test_notes_are_not_written_to_the_output_if_standard_error_is_closed() -> None:
    done = in_shell("$it show a/b 2>&-; $it query - <&-")

    assert done.stdout == ""
    assert "Standard input has no SQL" in done.stderr


@pytest.mark.parametrize(
    "env", [{"AWS_MAX_ATTEMPTS": "x"}, {"AWS_RETRY_MODE": "x"}, {"AWS_ENDPOINT_URL": "x"}], ids=str
)
def test_a_wrong_setting_of_boto3_is_one_line(env: dict[str, str]) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    done = in_shell("$it outputs", **keys, **env)

    assert (done.returncode, done.stderr.count("\n")) == (ExitCode.CONFIGURATION, 1)
    assert "defect" not in done.stderr


@pytest.mark.parametrize(
    ("env", "options", "expected"),
    [
        ({"AWS_REGION": "eu-west-1"}, Options(), "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, Options(), "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, Options(), "eu-west-1"),
        ({"AWS_REGION": "eu-west-1"}, Options(region="eu-west-3"), "eu-west-3"),
    ],
)
def test_the_region_is_that_of_the_option_then_of_the_variables(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], options: Options, expected: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert Context(options).session.region_name == expected


def test_an_answer_that_is_not_of_aws_is_no_defect(stack: FakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[Any] = [{}, {"exportsInfo": None}, {"exportsInfo": [{}]}, {"exportsInfo": ["x"]}, []]
    for page in pages:
        monkeypatch.setattr(stack.discovery, "paginate", lambda _page=page, **_: [_page])

        answer = run("list", "--agent", "o-1")

        assert answer.code == ExitCode.CONFIGURATION
        assert "What answered is not AWS" in answer.err


def test_help_imports_neither_boto3_nor_the_cdk_nor_rich() -> None:
    program = """
import sys
from discovery_exports.cli.app import app
try:
    app(["list", "--help"])
finally:
    print([name for name in sys.modules if name.partition(".")[0] in
           {"boto3", "botocore", "aws_cdk", "jsii", "rich", "infra", "fastjsonschema"}], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("Usage: ")
    assert done.stderr == "[]\n"


def test_wrong_use_is_reported_before_boto3_is_imported() -> None:
    program = """
import sys
from discovery_exports.cli.app import app
try:
    app(["store", "a/b"])
finally:
    print("boto3" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "False\n")


def test_a_termination_ends_the_command_as_an_interrupt() -> None:
    """So that nothing half written is left, and a query is cancelled."""
    program = """
import os, signal
from discovery_exports.cli import app as module
from discovery_exports.command import main
module.app = lambda **_: os.kill(os.getpid(), signal.SIGTERM)
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands_options_and_statuses(shell: str) -> None:
    def completed(*words: str) -> str:
        line = " ".join(("discovery-exports", *words))
        env = {
            "_DISCOVERY_EXPORTS_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
        }
        program = "from discovery_exports.cli.app import main; main()"
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True)
        return done.stdout

    assert "status" in completed("sta")
    assert "--since" in completed("list", "--s")
    assert "FAILED" in completed("list", "--status", "F")


def test_every_command_of_the_app_has_a_summary() -> None:
    import typer.main

    group: Any = typer.main.get_command(app)

    assert [name for name in group.commands if name not in {"handoff", "double"}] == [
        "status", "list", "show", "get", "store", "watch", "again", "start", "plan", "coverage", "query", "page",
        "doctor", "outputs",
    ]  # fmt: skip
    assert all(each.help.splitlines()[0].endswith(".") for each in group.commands.values())
