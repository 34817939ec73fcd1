"""Which routes should be in force, and for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phage.respond.bgp.book import Book
from phage.respond.bgp.nlri import Route


def route(nlri: str, passes: float = 0.0) -> Route:
    return Route("ipv4 flow", nlri, f"rate-limit {passes:.0f};", passes)


def test_a_route_stays_while_a_decision_wants_it() -> None:
    book = Book(10)
    assert book.put("A", (route("x"),), 0)
    assert book.put("B", (route("x"), route("y")), 0)
    assert book.drop("A") == (route("x"),)
    assert book.all() == {"x", "y"}
    assert book.drop("B") == (route("x"), route("y"))
    assert book.all() == set()
    assert book.drop("B") == ()
    assert book.wanted("x") is None


def test_the_least_that_is_let_through_is_in_force() -> None:
    book = Book(10)
    book.put("A", (route("x", 100),), 0)
    book.put("B", (route("x", 0),), 0)
    book.put("C", (route("x", 50),), 0)
    assert [book.wanted("x"), book.drop("B"), book.wanted("x")] == [
        route("x", 0),
        (route("x", 0),),
        route("x", 50),
    ]


def test_a_full_book_refuses_and_counts_but_shares_what_is_there() -> None:
    book = Book(2)
    assert book.put("A", (route("x"), route("y")), 0)
    assert not book.put("B", (route("z"),), 0)
    assert book.put("C", (route("y", 5),), 0)
    assert book.dropped == 1
    assert book.routes("B") == ()
    assert book.put("A", (route("x"),), 0)
    assert book.all() == {"x", "y"}


def test_what_is_past_its_time_is_told_of() -> None:
    book = Book(10)
    book.put("A", (route("x"),), 100)
    book.put("B", (route("y"),), 0)
    assert not book.is_overdue(100)
    assert book.is_overdue(101)
    book.drop("A")
    assert not book.is_overdue(101)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ABCD"),
            st.one_of(st.none(), st.lists(st.sampled_from("vwxyz"), max_size=3)),
        )
    )
)
def test_the_book_equals_what_the_decisions_want(steps: list[tuple[str, list[str] | None]]) -> None:
    book, model = Book(4), dict[str, set[str]]()
    for decision, nlris in steps:
        model.pop(decision, None)
        if nlris is None:
            book.drop(decision)
        elif book.put(decision, tuple(route(nlri) for nlri in dict.fromkeys(nlris)), 0):
            model[decision] = set(nlris)
        assert book.all() == set().union(*model.values())
        assert len(book.all()) <= 4
    book.keep_only("AB")
    assert book.all() == set().union(*(model.get(decision, set()) for decision in "AB"))
