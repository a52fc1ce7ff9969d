"""`make bench-polling`: what waiting costs and how late it notices, beside other ways; kept in docs/."""

from benchmarks.page import keep
from benchmarks.polling.contest import contest
from benchmarks.polling.page import tables


def main() -> None:
    found = contest()
    print(tables(found))
    keep("polling", found, "polling.md", tables(found))


if __name__ == "__main__":
    main()
