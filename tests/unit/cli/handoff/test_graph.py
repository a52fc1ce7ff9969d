"""Pictures: hostile names, names that several servers have, many ports, and limits."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from discovery_exports.cli.failures import Misused
from discovery_exports.cli.handoff.graph import MAX_ARROWS, MAX_SERVERS, Picture, dot, mermaid, picture
from discovery_exports.cli.handoff.rows import Pair
from discovery_exports.cli.handoff.validation import check_dot, check_mermaid
from discovery_exports.locations import QUERIES
from tests.unit.cli.handoff.example import example

HOSTILE = (
    '"',
    "\\",
    "\\n",
    'a"]; b -> c',
    "end",
    "</script>",
    "`x`",
    "%%{init}%%",
    "a|b",
    "]-->x",
    "a\nb",
    "\x1b[31m",
    "#",
)


def arrow(source: str, target: str, **cells: Any) -> Pair:
    cells = {
        "source_name": source, "source_address": "", "source_process": "", "target_name": target, "target_address": "",
        "target_process": "", "port": "443", "protocol": "TCP", "ip_version": "IPv4", "first_seen": "", "last_seen": "",
        "connections": 1, "rows": 1, **cells,
    }  # fmt: skip
    return Pair(source=source, target=target, **cells)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_their_labels(name: str, tmp_path: Path) -> None:
    drawn = picture([arrow("d-1", "d-2", source_name=name, target_process=name)], {"d-1": name}, 10)
    paths = tmp_path / "a.dot", tmp_path / "a.mmd"

    for path, draw in zip(paths, (dot, mermaid), strict=True):
        path.write_text("".join(f"{line}\n" for line in draw(drawn)), "utf-8")

    assert (check_dot(paths[0]).rows, check_mermaid(paths[1]).rows) == ({"a.dot": 1}, {"a.mmd": 1})
    labels = [line for line in paths[1].read_text("utf-8").splitlines() if '"' in line]
    assert all(line.count('"') == 2 for line in labels)


def test_ports_of_two_servers_are_one_arrow_with_the_most_used_ports_first() -> None:
    ports = [arrow("d-1", "d-2", port=str(port), connections=port, target_process=f"p{port}") for port in range(1, 6)]

    (drawn,) = picture(ports, {}, 10).arrows

    assert drawn.label == "5 p5, 4 p4, 3 p3, 2 more"
    assert drawn.port == "5"


@pytest.mark.parametrize(
    ("draw", "box", "plain", "labelled"),
    [
        (dot, 's3 [label="d-3\\n443 nginx", color="#0b6e99"];', 's1 -> s3 [color="#0b6e99"];', 'xlabel="22 sshd"'),
        (mermaid, 's3["d-3<br/>443 nginx"]', "s1 --> s3", 's4 -->|"22 sshd"| s3'),
    ],
)
def test_the_box_of_a_server_has_the_port_of_most_arrows_and_the_other_arrows_have_theirs(
    draw: Callable[[Picture], Iterator[str]], box: str, plain: str, labelled: str
) -> None:
    web = [arrow(source, "d-3", target_process="nginx") for source in ("d-1", "d-2")]
    ssh = arrow("d-4", "d-3", port="22", target_process="sshd", connections=9)

    text = "\n".join(draw(picture([*web, ssh], {}, 10)))

    assert all(part in text for part in (box, plain, labelled))
    assert text.count("443 nginx") == text.count("22 sshd") == 1


def test_of_ports_with_as_many_arrows_the_box_has_the_one_with_the_most_connections() -> None:
    drawn = picture([arrow("d-1", "d-3", port="22"), arrow("d-2", "d-3", port="9", connections=2)], {}, 10)

    assert drawn.usual["d-3"].label == "9"


def test_an_arrow_without_a_port_says_so() -> None:
    drawn = picture([arrow("d-1", "d-2", port="")], {}, 10)

    assert drawn.usual["d-2"].label == "port unknown"


def test_the_picture_of_the_page_is_up_to_date() -> None:
    """``python -m tests.unit.cli.handoff.example | dot -Tsvg > docs/handoff-graph.svg`` draws it."""
    svg = unescape((QUERIES.parent / "handoff-graph.svg").read_text("utf-8"))
    lines = list(dot(example()))

    arrows = [re.match(r"  (s\d+) -> (s\d+) ", line) for line in lines]
    labels = [text for line in lines for text in re.findall(r'label="(.*?)"', line)]
    assert {f"{each[1]}->{each[2]}" for each in arrows if each} == set(re.findall(r"<title>(s\d+->s\d+)</title>", svg))
    assert Counter(part for label in labels for part in label.split("\\n")) == Counter(
        re.findall(r"<text .*?>(.*?)</text>", svg)
    )
    assert set(re.findall(r"#\w{6}", svg)) >= set(example().colors.values())


def test_servers_with_the_same_name_can_be_told_apart() -> None:
    drawn = picture([arrow("d-000001", "d-000002", source_name="web", target_name="web")], {}, 10)

    assert set(drawn.names.values()) == {"web (…000001)", "web (…000002)"}


def test_servers_are_grouped_by_application() -> None:
    drawn = picture([arrow("d-1", "d-2"), arrow("d-2", "d-3")], {"d-1": "Shop", "d-3": "Shop"}, 10)

    assert drawn.groups == {"": ["d-2"], "Shop": ["d-1", "d-3"]}


def test_a_picture_that_nobody_can_read_is_refused() -> None:
    many = (arrow(f"d-{number}", "d-0") for number in count(1))

    with pytest.raises(Misused, match=f"{MAX_SERVERS} servers"):
        picture(many, {}, max(MAX_ARROWS.values()))
    with pytest.raises(Misused, match="10 arrows"):
        picture((arrow("d-1", f"d-{number}") for number in count(2)), {}, 10)
