"""Items in the form of DynamoDB."""

from exports.aws.dynamodb import plain


def test_numbers_of_an_item_are_integers_also_in_lists_and_maps() -> None:
    number = {"N": "5"}

    item = plain({"a": number, "b": {"L": [number, {"M": {"c": number}}]}, "d": {"S": "5"}})

    assert item == {"a": 5, "b": [5, {"c": 5}], "d": "5"}
    assert [type(each) for each in (item["a"], item["b"][0], item["b"][1]["c"])] == [int] * 3
