"""References are parsed once and come back as they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yurt.errors import InvalidArgument
from yurt.oci.digest import Digest
from yurt.oci.reference import Reference

SHA = "sha256:" + "a" * 64

word = st.text("abz019", min_size=1, max_size=4)
part = (
    st.builds(
        lambda first, mark, last: first + mark + last,
        word,
        st.sampled_from([".", "_", "__", "-", "---"]),
        word,
    )
    | word
)
registry = st.sampled_from(
    ["docker.io", "localhost", "localhost:5000", "ghcr.io", "10.0.0.1:80", "[::1]:5000"]
)
tag = st.just("") | st.builds(
    str.__add__, st.text("aZ9_", min_size=1, max_size=1), st.text("aZ9_.-", max_size=9)
)
digest = st.none() | st.binary().map(Digest.of)


@st.composite
def references(draw: st.DrawFn) -> Reference:
    repository = "/".join(draw(st.lists(part, min_size=1, max_size=3)))
    host = draw(registry)
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, draw(tag), draw(digest))


@settings(deadline=None)
@given(references())
def test_both_texts_parse_back_to_the_same_reference(reference: Reference) -> None:
    """The familiar and the canonical form are inverses of parse."""
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.canonical) == reference


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("debian", "docker.io/library/debian", "debian"),
        ("debian:12", "docker.io/library/debian:12", "debian:12"),
        ("docker.io/debian", "docker.io/library/debian", "debian"),
        ("index.docker.io/library/debian", "docker.io/library/debian", "debian"),
        ("user/app:1", "docker.io/user/app:1", "user/app:1"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("docker.io/my.org/app", "docker.io/my.org/app", "docker.io/my.org/app"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (f"debian@{SHA}", f"docker.io/library/debian@{SHA}", f"debian@{SHA}"),
        (f"debian:12@{SHA}", f"docker.io/library/debian:12@{SHA}", f"debian:12@{SHA}"),
    ],
)
def test_names_are_completed_as_docker_completes_them(text: str, canonical: str, familiar: str) -> None:
    """A name without a registry is the Hub's, one without a namespace the library's."""
    reference = Reference.parse(text)
    assert (reference.canonical, str(reference)) == (canonical, familiar)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "Debian",
        "de bian",
        "debian:",
        "debian:t:t",
        "debian:-1",
        "debian:" + "a" * 129,
        "debian@sha256:abc",
        "debian@",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a..b",
        "ex ample.com/a",
        "a" * 64,
        "docker.io/" + "a" * 250,
        "débian",
        "debian:12\n",
        "../etc",
    ],
)
def test_what_is_no_reference_is_refused_with_the_part_that_is_wrong(text: str) -> None:
    """Strict parsing: nothing unchecked becomes part of an address or a path."""
    with pytest.raises(InvalidArgument, match="invalid reference format"):
        Reference.parse(text)


def test_upper_case_is_named_as_the_mistake() -> None:
    """The commonest mistake gets its own sentence."""
    with pytest.raises(InvalidArgument, match="repository name must be lowercase"):
        Reference.parse("example.com/MyApp")


def test_latest_is_meant_where_nothing_is_said() -> None:
    """The default tag comes only where neither tag nor digest stands."""
    assert Reference.parse("debian").tagged().tag == "latest"
    assert Reference.parse("debian:12").tagged().tag == "12"
    assert Reference.parse(f"debian@{SHA}").tagged().tag == ""


def test_other_tags_and_digests_of_a_repository_are_new_values() -> None:
    """with_tag drops a digest, with_digest a tag."""
    reference = Reference.parse(f"debian:12@{SHA}")
    assert str(reference.with_tag("13")) == "debian:13"
    assert str(reference.with_digest(Digest.parse(SHA))) == f"debian@{SHA}"
    with pytest.raises(InvalidArgument):
        reference.with_tag("no/tag")
