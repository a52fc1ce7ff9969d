"""`make bench-polling`: the cost and the delay of polling, compared with other methods; writes docs/."""

from benchmarks.page import save
from benchmarks.polling.contest import contest
from benchmarks.polling.page import tables


def main() -> None:
    found = contest()
    print(tables(found))
    save("polling", found, "polling.md", tables(found))


if __name__ == "__main__":
    main()
