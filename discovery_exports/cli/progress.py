"""Shows progress on standard error: a block that is drawn again on a terminal, else a line for each change."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from discovery_exports.cli.context import Context
from discovery_exports.cli.text import printable

if TYPE_CHECKING:
    from rich.live import Live

HEARTBEAT = timedelta(minutes=1)
"""Without a terminal, a line is printed this often even if nothing has changed."""


class Progress:
    """Use it in a ``with`` block, and call :meth:`show` as often as something may have changed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._live: Live | None = None
        self._shown: tuple[object, datetime] | None = None

    def __enter__(self) -> "Progress":
        console = self._context.console
        if console.is_terminal and not console.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(console=console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, title: str, lines: Sequence[str], done: int, total: int, *, key: object, note: str = "") -> None:
        """Show the current state. Without a terminal, only if ``key`` has changed, or a minute later."""
        if self._live:
            self._live.update(_block(title, [*lines, *filter(None, [note])], done, total), refresh=True)
            return
        now = self._context.now()
        if self._shown is None or self._shown[0] != key or now - self._shown[1] >= HEARTBEAT:
            self._shown = key, now
            self._context.say(f"{title}: {'; '.join(lines)}")


def _block(title: str, lines: Sequence[str], done: int, total: int) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    head.add_row(*([ProgressBar(total=total, completed=done, width=20)] if total else []), Text(printable(lines[0])))
    return Group(Text(printable(title), style="bold"), head, *(Text(printable(line)) for line in lines[1:]))
