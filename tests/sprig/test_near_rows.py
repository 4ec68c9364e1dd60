"""Templates near the recorded rows, where differences from Helm were found once: both are asked again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sprig import sdk
from tests.sprig.test_oracle import run

DATA: dict[str, Any] = {
    "m": {"a": 1.0, "b": {"c": "x"}},
    "l": [1.0, "a", None],
    "n": 3.0,
    "s": "text",
    "nl": None,
}
YEAR = '((toDate "2006" "2020").Sub (toDate "2006" "2019"))'
# Templates whose values stand in another type than maps, lists, texts and numbers.
OBJECTS = (
    '{{ toYaml (toDate "2006-01-02" "2020-01-02") }}',
    '{{ toYaml (semver "1.2.3-a+b") }}',
    '{{ list (semver "1.2.3").IncMajor | mustToYaml }}',
    '{{ toYamlPretty (toDate "2006-01-02" "2020-01-02") }}',
    f'{{{{ dict "a" {YEAR} | toYamlPretty }}}}',
    f'{{{{ dict "a" {YEAR} "b" (list {YEAR}) | toToml }}}}',
    f"{{{{ add {YEAR} 1 }}}} {{{{ addf {YEAR} 1.5 }}}} {{{{ float64 {YEAR} }}}} {{{{ slice .l {YEAR} }}}}",
    '{{ len (semver "1.2.3") }}',
    '{{ index (semver "1.2.3") 1 }}',
    '{{ deepCopy (dict "a" (semver "1.2.3")) }}{{ (deepCopy (semver "1.2.3")).Original }}',
    '{{ toJson (toDate "2006" "2020").UTC.Location }}{{ deepCopy (toDate "2006" "2020").UTC.Location }}',
    "{{ mustToJson 1i }}",
    "{{ toToml 1i }}",
    '{{ dict "a" (list 1i) | toToml }}',
    "{{ merge nil | toJson }}{{ mustMergeOverwrite .nl .nl | toJson }}",
)
# Bytes that are no UTF-8.
BROKEN = (
    '{{ upper "a\\xffbé" | toJson }}{{ title "a\\xffb a" | toJson }}{{ swapcase "A\\xffb A" | toJson }}',
    '{{ camelcase "a\\xffb_a" | toJson }}{{ snakecase "A\\xffb A\\xff" | toJson }}{{ kebabcase "\\xff" | toJson }}',
    '{{ dict "a" "\\xff" "\\xff" "b" | toYamlPretty }}',
    '{{ dict "a" (repeat 100 "\\xff") (repeat 100 "\\xff") "b" | toYamlPretty }}',
    '{{ fromToml "a=1 #\\xff" }}{{ fromToml "a=tr\\xff" }}{{ fromToml "\\xff\\xfea=1" }}{{ fromToml "\\xff" }}',
    '{{ fromToml "a." }}{{ fromToml "[a\\n" }}{{ fromToml "[[a]\\n" }}',
    '{{ fromToml "\\x00a=1" }}{{ fromToml "aaaaaaaa=1\\x00" }}{{ fromToml "a=1 #\\x01" }}',
)
# Texts that go-yaml's scanner or emitter, BurntSushi's encoder or encoding/json take in a way of their own.
TEXTS = (
    *("{{ toYaml .next }}{{ toYaml .nextkey }}", "{{ mustToYaml .nextkey }}", "{{ toYaml .mark }}"),
    *("{{ toYaml .separators }}{{ toYamlPretty .separators }}", "{{ toYamlPretty .mark }}"),
    *("{{ toYaml .numbers }}{{ toYamlPretty .numbers }}", "{{ toYaml .long }}{{ toYamlPretty .long }}"),
    "{{ mustToYaml .long }}",
    "{{ toToml .nulls }}",
    *(f"{{{{ fromYaml .slashes.{key} | toJson }}}}" for key in "abcdef"),
    *(f"{{{{ fromYamlArray .slashes.{key} | toJson }}}}" for key in "ghi"),
    '{{ fromJson "1e400" }}{{ fromJsonArray "1e400" }}{{ fromJson "[1e400]" }}{{ fromJsonArray "null" | toJson }}',
)
DATA |= {
    "next": ["a\x85b", "a \x85 b", "a\x85\x85b", "\x85", "007\x85", "\t\x85\tb", "a\x85 --- b"],
    "nextkey": {"a\x85b": 1.0},
    "mark": ["\ufeffa ~", "a\ufeffb", {"\ufeff: ": "\ufeff" + "a " * 50}],
    "separators": {"k": ["it's\u2028q", "\u2028\u2028b", "\u2029a" + " b" * 60], "\u2028a": "", "p": "a\u2028 b"},
    "numbers": {"-9223372036854775808": 1.0, "-1": 2.0, "\u0663": 3.0, "12": 4.0},
    "long": {"x" * 1023: 1.0},
    "nulls": {"v": [{"a": 1.0, "b": None, "c": None}, 1.0]},
    "slashes": {
        "a": 'a: "\\/"', "b": '{"a":"b\\/c",\n"d":1}', "c": 'a: ^\\/x\nb: "c"\n', "d": '- 1\n"\\/"1: x', "e": '"\\/',
        "f": "{a: !!str, b: 1}", "g": "[!!str, a]", "h": "[!foo,a]", "i": '["\\\\/"]',
    },
}  # fmt: skip
# Times.
TIMES = (
    '{{ date ".00000000000 .99" (int64 5) }}{{ mustToDate "06" "+1" }}{{ mustToDate "06" "-1" }}',
    '{{ mustToDate "06" "+0200" }}',
    '{{ mustToDate "-0700" "+9999" }}',
    '{{ mustToDate "Z070000" "060:202" }}',
    '{{ mustDateModify "µx" (toDate "2006" "2020") }}',
    '{{ ((toDate "2006" "2020").Add 90000000000).Truncate 60000000000 }}{{ (toDate "2006" "9999").UnixNano }}',
    '{{ (toDate "2006-01-02T15:04:05Z07:00" "2020-02-29T23:59:59.5+01:00").GoString }}',
)
# Formats, expressions, addresses, versions.
FORMS = (
    '{{ printf "%1000001d|%.1000009d" 5 5 | len }}',
    '{{ printf "%10000010d|" 5 }}',
    '{{ printf "%w %w %w" (dict "a" 1) (list 2.5) "x" }}',
    '{{ regexMatch "\\\\B" "" }}{{ regexReplaceAll "\\\\B" "" "x" }}{{ mustRegexFindAll "\\\\B" "" -1 | toJson }}',
    '{{ urlJoin (dict "userinfo" "a/b" "host" "h") }}{{ urlJoin (dict "userinfo" ":") }}{{ (urlParse "//:@h").userinfo }}',
    '{{ semver "99999999999999999999.0.0" }}',
)
# What only looks like a template.
MISTAKES = (
    *(
        "{{{ .s }}}",
        "{{{/* c */}}",
        "a{{{- .s }}",
        "{{$x := 1}}{{$x= 2}}{{$x}}",
        "{{$x := 1}}{{range $x=.l}}{{end}}",
    ),
    *("{{ .", "{{ .s.", "{{ '' }}", "{{- /* c }}", "x {{-\n/* c }}", "{{$x:=1}}{{$x =2}}{{$x}}"),
)
# What a function gives back of a map with a name is the same map.
SAME = (
    '{{ typeOf (set $ "z" 1) }}{{ typeOf (unset $ "z") }}{{ typeOf (merge $ (dict)) }}{{ typeOf $ }}',
    '{{ $v := merge $ (dict "q" 1) }}{{ $_ := set $v "x" 1 }}{{ .x }}{{ $_ := set $ "y" 2 }}{{ $v.y }}{{ $v | toJson }}',
    '{{ $v := mergeOverwrite $ (dict "q" 1) }}{{ $_ := unset $v "q" }}{{ .q }}{{ $_ := merge $v (dict "r" 2) }}{{ .r }}',
    '{{ $v := set $ "x" (dict "y" 1) }}{{ dig "x" "y" 0 $v }}{{ dig "x" 0 $ }}',
)


@pytest.mark.parametrize("template", [*OBJECTS, *BROKEN, *TEXTS, *TIMES, *FORMS, *MISTAKES, *SAME])
def test_template(template: str) -> None:
    assert run(template, DATA) == sdk.render(template, DATA, whole=True)
