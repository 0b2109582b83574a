import pytest
from hypothesis import given
from hypothesis import strategies as st

from yurt.cli.template import Template
from yurt.errors import InvalidArgument

DATA = {
    "ID": "abc",
    "Names": "web",
    "State": {"Running": True, "Status": "running", "Health": None},
    "Config": {"Cmd": ["sh", "-c", "x"], "Labels": {"b": "2", "a": "1"}},
    "Ports": {"80/tcp": [{"HostPort": "8080"}], "53/udp": None},
    "Size": 1.0,
    "Empty": [],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.ID}}", "abc"),
        ("{{ .ID }} {{.Names}}", "abc web"),
        (r"{{.ID}}\t{{.Names}}\n", "abc\tweb\n"),
        ("{{.State.Status}}", "running"),
        ("{{.State.Running}} {{.Size}}", "true 1"),
        ("{{.State.Error}}", "<no value>"),
        ("{{.State.Health.Status}}", "<no value>"),
        ("{{json .Config.Cmd}}", '["sh","-c","x"]'),
        ("{{.Config.Cmd}} {{.Config.Labels}}", "[sh -c x] map[a:1 b:2]"),
        ('{{join .Config.Cmd ","}}', "sh,-c,x"),
        ('{{index .Config.Labels "a"}} {{index .Config.Cmd 1}}', "1 -c"),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ("{{len .Config.Cmd}}", "3"),
        ("{{.Names | upper | printf `<%s>`}}", "<WEB>"),
        ('{{printf "%s-%5v|%d" .ID "x" 3}}', "abc-    x|3"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .Empty}}some{{else if .ID}}id{{else}}none{{end}}", "id"),
        ('{{if eq .State.Status "exited" "running"}}yes{{end}}', "yes"),
        ('{{if and .ID (not .Empty) (ne .ID "x")}}yes{{end}}', "yes"),
        ("{{range .Config.Cmd}}[{{.}}]{{end}}", "[sh][-c][x]"),
        ("{{range $i, $w := .Config.Cmd}}{{$i}}{{$w}} {{end}}", "0sh 1-c 2x "),
        (
            "{{range $p, $b := .Ports}}{{$p}}{{with $b}}={{(index . 0).HostPort}}{{end}} {{end}}",
            "53/udp 80/tcp=8080 ",
        ),
        ("{{range .Empty}}x{{else}}nothing{{end}}", "nothing"),
        ("{{range .Config.Cmd}}{{$.ID}}{{end}}", "abcabcabc"),
        ("{{$x := .ID}}{{$x}}{{$x}}", "abcabc"),
        ("a {{- .ID -}} b", "aabcb"),
        ("{{/* nothing */}}x", "x"),
        ('{{println .ID "x"}}', "abc x\n"),
        ('{{truncate .Names 2}}{{pad "x" 1 2}}|', "we x  |"),
        ("plain", "plain"),
    ],
)
def test_what_people_write_after_format(template, text):
    """Each construct gives what Docker prints for it."""
    assert Template.parse(template).render(DATA) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{.ID", "unclosed"),
        ("{{if .ID}}x", "{{end}} is missing"),
        ("{{end}}", "unexpected end"),
        ("{{nope .ID}}", "no function 'nope'"),
        ("{{}}", "a value is missing"),
        ("{{.ID &}}", "cannot read '&'"),
        ("{{(.ID}}", "a ) is missing"),
        ("{{index .Config.Cmd 9}}", "index: list index out of range"),
        ("{{.Nope}}", "no field .Nope; there are .ID"),
        ("{{.ID.Nope}}", "'abc' has no field .Nope"),
    ],
)
def test_mistakes_are_told(template, why):
    """A wrong template is one sentence that quotes it."""
    with pytest.raises(InvalidArgument) as caught:
        Template.parse(template).render(DATA)
    assert why in caught.value.message


def test_a_field_that_is_left_out_is_no_mistake():
    """Health of a container without a check, a label that is not there, and the nearest name for a slip."""
    container = {"Name": "/web", "State": {"Status": "running"}, "Config": {"Labels": {"a": "b"}}}
    assert (
        Template.parse("{{if .State.Health}}x{{end}}{{.Config.Labels.c}}").render(container) == "<no value>"
    )
    with pytest.raises(InvalidArgument) as caught:
        Template.parse("{{.State.Stats}}").render(container)
    assert "no field .Stats; there are .Status" in caught.value.message
    assert caught.value.hint == "did you mean .Status?"
    event = {"status": "start", "id": "1", "Type": "container", "Action": "start", "time": 1}
    with pytest.raises(InvalidArgument, match=r"no field \.Nope"):
        Template.parse("{{.Nope}}").render(event)


@given(st.text(st.characters(exclude_characters="{\\"), max_size=60))
def test_text_without_actions_is_left_alone(text):
    """Whatever holds no action is printed as it is."""
    assert Template.parse(text).render(DATA) == text


def test_repr_quotes_the_template():
    """A template in an assertion reads as one."""
    assert repr(Template.parse("{{.ID}}")) == "<Template '{{.ID}}'>"
