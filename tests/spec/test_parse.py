"""What a spec means once it is read."""

from __future__ import annotations

import msgspec
import pytest

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.spec.model import BaseModel, Budget, Lifecycle, Method, ModelAlias, ParentSpec, Span, Spec, method_request
from ftops.spec.parse import parse_file

HEAD = "kind: FineTune\nmodel: gpt-4.1\ntraining_file: data/a.jsonl\n"
GRADER = "{type: string_check, name: exact, input: '{{sample.output_text}}', reference: '{{item.a}}', operation: eq}"


def spec(more: str = "", *, head: str = HEAD, path: str = "specs/elle.yaml") -> Spec:
    return parse_file((head + more).encode(), path).specs[0]


def problems(more: str = "", *, head: str = HEAD, path: str = "specs/elle.yaml") -> tuple[Diagnostic, ...]:
    with pytest.raises(ProblemsError) as caught:
        spec(more, head=head, path=path)
    return caught.value.problems


def reinforced(grader: str, beside: str = "") -> str:
    return (
        "validation_file: data/b.jsonl\nmethod:\n  type: reinforcement\n  reinforcement:\n"
        f"    grader: {grader}\n{beside}"
    )


def test_what_is_left_out_has_its_default() -> None:
    assert msgspec.structs.replace(spec(), places={}) == Spec(
        name="elle",
        path="specs/elle.yaml",
        model=BaseModel(name="gpt-4.1"),
        training_file="specs/data/a.jsonl",
        method=Method(type="supervised", body={}),
    )


def test_every_field_arrives() -> None:
    read = spec(
        "validation_file: ../b.jsonl\nsuffix: elle\nseed: 7\ndescription: D\nowner: O\nlabels: {team: x}\n"
        "checkpoint: last\non_change: cancel\nbudget: {max_usd: 5}\n"
        "lifecycle: {protect: true, ignore_changes: [suffix, seed]}\n"
        "integrations: [{type: wandb, wandb: {project: p, name: null}}]\n"
        "method: {type: dpo, dpo: {hyperparameters: {beta: 0.1}}}\n"
    )
    assert msgspec.structs.replace(read, places={}) == Spec(
        name="elle",
        path="specs/elle.yaml",
        model=BaseModel(name="gpt-4.1"),
        training_file="specs/data/a.jsonl",
        validation_file="b.jsonl",
        method=Method(type="dpo", body={"hyperparameters": {"beta": 0.1}}),
        suffix="elle",
        seed=7,
        integrations=({"type": "wandb", "wandb": {"project": "p"}},),
        description="D",
        owner="O",
        labels={"team": "x"},
        checkpoint="last",
        on_change="cancel",
        budget=Budget(max_usd=5),
        lifecycle=Lifecycle(protect=True, ignore_changes=("seed", "suffix")),
    )
    assert method_request(read.method) == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}


def test_a_spec_goes_through_a_cache_unchanged() -> None:
    read = spec("method: {type: supervised, supervised: {hyperparameters: {n_epochs: 3}}}\nbudget: {max_usd: 0.5}\n")
    assert msgspec.json.decode(msgspec.json.encode(read), type=Spec) == read
    chained = spec(head="kind: FineTune\nmodel: {spec: base}\ntraining_file: a.jsonl\n")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(chained), type=Spec) == chained


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("gpt-4.1", BaseModel(name="gpt-4.1")),
        ("'ft:gpt-4.1:acme::abc123'", BaseModel(name="ft:gpt-4.1:acme::abc123")),
        ("{spec: elle-base}", ParentSpec(spec="elle-base")),
        ("{alias: production}", ModelAlias(alias="production")),
    ],
)
def test_a_model_is_a_name_a_spec_or_an_alias(text: str, model: object) -> None:
    assert spec(head=f"kind: FineTune\nmodel: {text}\ntraining_file: a.jsonl\n").model == model


def test_places_are_those_of_the_values() -> None:
    places = spec("method:\n  type: supervised\n  supervised: {hyperparameters: {n_epochs: 3}}\n").places
    assert places["model"] == Span(line=2, column=8, end_column=15)
    assert places["method"] == Span(line=4, column=1, end_column=7)
    assert places["method.supervised"] == Span(line=6, column=15, end_column=47)
    assert places["method.supervised.hyperparameters.n_epochs"] == Span(line=6, column=44, end_column=45)
    chained = spec(head="kind: FineTune\nmodel: {spec: base}\ntraining_file: a.jsonl\n")
    assert chained.places["model.spec"] == Span(line=2, column=15, end_column=19)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", "method: {type: supervised}\n"),
        ("", "method: {type: supervised, supervised: {}}\n"),
        ("", "method: {type: supervised, supervised: {hyperparameters: {}}}\n"),
        ("", "suffix: null\nseed:\nvalidation_file: ~\nintegrations: []\nlabels: {}\nlifecycle: {}\n"),
        ("seed: 7\n", "seed: 7.0\n"),
        ("budget: {max_usd: 5}\n", "budget: {max_usd: 5.00}\n"),
        (
            "method: {type: supervised, supervised: {hyperparameters: {n_epochs: 3}}}\n",
            "method: {supervised: {hyperparameters: {n_epochs: 3.0}}, type: 'supervised'}\n",
        ),
        ("lifecycle: {ignore_changes: [seed, suffix]}\n", "lifecycle: {ignore_changes: [suffix, seed]}\n"),
        (reinforced(GRADER), reinforced(GRADER, "    hyperparameters: {}\n")),
    ],
)
def test_what_asks_for_the_same_is_equal(one: str, other: str) -> None:
    assert msgspec.structs.replace(spec(one), places={}) == msgspec.structs.replace(spec(other), places={})


def test_auto_stays_what_was_asked_for() -> None:
    read = spec("method: {type: supervised, supervised: {hyperparameters: {n_epochs: auto}}}\n")
    assert read.method.body == {"hyperparameters": {"n_epochs": "auto"}}


@pytest.mark.parametrize(
    "path", ["specs/Elle.yaml", "specs/.yaml", "specs/-a.yaml", "specs/a b.yaml", f"{'a' * 64}.yaml"]
)
def test_a_name_that_does_not_fit_everywhere_is_refused_with_the_other_problems(path: str) -> None:
    assert [problem.code for problem in problems("seed: x\n", path=path)] == ["spec-name", "spec-type"]
    with pytest.raises(ProblemsError) as caught:
        parse_file(b"", path).specs[0]
    assert [problem.code for problem in caught.value.problems] == ["spec-name", "yaml-empty"]


@pytest.mark.parametrize(
    ("budget", "code", "place", "fix"),
    [
        ("{max_usd: -1}", "spec-value", (4, 19), "write a number, such as `budget: {max_usd: 5}`"),
        ("{max_usd: five}", "spec-type", (4, 19), "write a number, such as `budget: {max_usd: 5}`"),
        ("{max_usd: '5'}", "spec-type", (4, 19), "leave out the quotes: `max_usd: 5`"),
        ("{max_usd: $5}", "spec-type", (4, 19), "write a number, such as `budget: {max_usd: 5}`"),
        ("{max_usd: true}", "spec-type", (4, 19), "write a number, such as `budget: {max_usd: 5}`"),
        ("{max_usd: }", "spec-type", (4, 19), "write a number, such as `budget: {max_usd: 5}`"),
        ("{max_usd: .nan}", "yaml-number", (4, 19), "write a finite number, or if a text is meant, put it in quotes"),
        ("{max_usd: .inf}", "yaml-number", (4, 19), "write a finite number, or if a text is meant, put it in quotes"),
        ("{max_usd: 1e999}", "yaml-number", (4, 19), "write a smaller number, or if a text is meant, put it in quotes"),
        ("{max_usd: 5_0}", "yaml-ambiguous", (4, 19), "write `50`, or if a text is meant, put it in quotes, `'5_0'`"),
        ("{max_used: 5}", "spec-unknown-key", (4, 10), "did you mean `max_usd`?"),
        ("{}", "spec-missing", (4, 9), "write a number, such as `budget: {max_usd: 5}`"),
        ("", "spec-type", (4, 1), "write a mapping, such as `budget: {max_usd: 5}`, or leave it out"),
        ("5", "spec-type", (4, 9), "write a mapping, such as `budget: {max_usd: 5}`, or leave it out"),
    ],
)
def test_a_budget_that_is_none_is_told_with_its_place_and_fix(
    budget: str, code: str, place: tuple[int, int], fix: str
) -> None:
    (problem,) = problems(f"budget: {budget}\n")
    assert problem.place is not None
    assert (problem.code, problem.fix) == (code, fix)
    assert (problem.place.line, problem.place.column) == place


@pytest.mark.parametrize("path", ["elle.yaml", "a/b/elle.v2.yml", "0.yaml", f"{'a' * 63}.yaml"])
def test_a_name_is_the_stem_of_the_file(path: str) -> None:
    assert spec(path=path).name == path.rpartition("/")[2].rpartition(".")[0]


@pytest.mark.parametrize(
    ("path", "claim"),
    [
        ("/data/a.jsonl", "is an absolute path"),
        ("~/a.jsonl", "is an absolute path"),
        ("C:/a.jsonl", "is an absolute path"),
        ("data\\a.jsonl", "holds a backslash"),
        ("../../a.jsonl", "leads out of the repository"),
        ("data/../../../a.jsonl", "leads out of the repository"),
        ("https://example.org/a.jsonl", "is a URL"),
        ("s3://bucket/a.jsonl", "is a URL"),
        ("file-AbC123", "is the id of an uploaded file"),
        ('"a\\nb.jsonl"', "holds a control character"),
        ('"a\\0.jsonl"', "holds a control character"),
    ],
)
def test_data_lies_in_the_repository(path: str, claim: str) -> None:
    (problem,) = problems(head=f"kind: FineTune\nmodel: gpt-4.1\ntraining_file: {path}\n")
    assert problem.code == "spec-path"
    assert problem.summary.endswith(claim)


def test_a_deprecated_key_is_fixed_with_what_it_held() -> None:
    (problem,) = problems("hyperparameters: {beta: 0.1}\nmethod: {type: dpo}\n")
    assert problem.fix == "write `method: {type: dpo, dpo: {hyperparameters: {beta: 0.1}}}`"
    (problem,) = problems("hyperparameters:\n")
    assert problem.fix == "write `method: {type: supervised, supervised: {hyperparameters: {…}}}`"
    (problem,) = problems(f"hyperparameters: {{a: {'x' * 200}}}\n")
    assert problem.fix == "write `method: {type: supervised, supervised: {hyperparameters: {…}}}`"


@pytest.mark.parametrize(
    ("method", "hyperparameter"),
    [
        (method, f"{name}: {value}")
        for method in ("supervised", "dpo", "reinforcement")
        for name, values in {
            "n_epochs": ("0", "51", "1.5", "true", "automatic", "''", "[1]"),
            "batch_size": ("0", "257"),
            "learning_rate_multiplier": ("0", "-1"),
        }.items()
        for value in values
    ]
    + [("dpo", f"beta: {value}") for value in ("0", "2.01")]
    + [
        ("reinforcement", text)
        for text in (
            "compute_multiplier: 0.00001",
            "compute_multiplier: 10.5",
            "eval_interval: 0",
            "eval_samples: 0.5",
            "reasoning_effort: auto",
        )
    ],
)
def test_hyperparameters_outside_the_bounds_are_refused(method: str, hyperparameter: str) -> None:
    text = f"method: {{type: {method}, {method}: {{hyperparameters: {{{hyperparameter}}}}}}}\n"
    if method == "reinforcement":
        text = reinforced(GRADER, f"    hyperparameters: {{{hyperparameter}}}\n")
    (problem,) = problems(text)
    assert problem.code in ("spec-type", "spec-value")
    assert problem.summary.startswith(f"`{hyperparameter.partition(':')[0]}` must be ")


@pytest.mark.parametrize(
    "hyperparameters",
    ["n_epochs: 1", "n_epochs: 50", "batch_size: 256", "learning_rate_multiplier: 0.0001", "beta: 2", "beta: auto"],
)
def test_hyperparameters_at_the_bounds_are_taken(hyperparameters: str) -> None:
    spec(f"method: {{type: dpo, dpo: {{hyperparameters: {{{hyperparameters}}}}}}}\n")


@pytest.mark.parametrize(
    ("text", "length"), [("x" * 64, 64), ("日" * 64, 64), ("😀" * 64, 64)], ids=["letters", "wide", "astral"]
)
def test_a_suffix_is_counted_in_characters(text: str, length: int) -> None:
    assert len(spec(f"suffix: {text}\n").suffix or "") == length
    assert problems(f"suffix: {text}x\n")[0].code == "spec-value"


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        ("a +", "it ends where a value should follow"),
        ("(a", "a bracket is not closed"),
        ("a)", "it should end before `)`"),
        ("a 1", "it should end before `1`"),
        ("* a", "`*` stands where a value should"),
        ("a + .", "`.` stands where a value should"),
        ("min", "`min` is a function and needs brackets"),
        ("sqrt(a, a)", "`sqrt` takes 1 value, not 2"),
        ("max(a", "a bracket is not closed"),
        ("(" * 60 + "a" + ")" * 60, "brackets are nested more than 50 deep"),
        ("a % 2", "it should end before `%`"),
    ],
)
def test_a_formula_that_is_none_is_refused(formula: str, complaint: str) -> None:
    (problem,) = problems(reinforced(f"{{type: multi, graders: {{a: {GRADER}}}, calculate_output: '{formula}'}}"))
    assert (problem.code, problem.why) == ("spec-grader", complaint)


@pytest.mark.parametrize("formula", ["a", "-a + +1", "2 * (a ^ 0.5)", "min(a, 1, .5)", "abs(a)/1e-3", "3."])
def test_a_formula_may_use_what_the_api_knows(formula: str) -> None:
    spec(reinforced(f"{{type: multi, graders: {{a: {GRADER}}}, calculate_output: '{formula}'}}"))


def test_a_formula_over_no_graders_says_so() -> None:
    found = problems(reinforced("{type: multi, graders: {}, calculate_output: a}"))
    assert [problem.why for problem in found if problem.code == "spec-grader"] == ["there are no graders"]


@pytest.mark.parametrize(
    ("template", "summary"),
    [
        ("{{ samples.output_text }}", "`samples` is nothing that a template can stand for"),
        ("{{sample}}", "`sample` needs a field"),
        ("{{sample.output}}", "an answer has no `output`"),
        ("{{sample.output_json.x}}", "`sample.output_json` needs a `response_format`"),
        ("{{}}", "a template stands for nothing"),
    ],
)
def test_templates_name_what_there_is(template: str, summary: str) -> None:
    (problem,) = problems(reinforced(GRADER.replace("{{item.a}}", template)))
    assert (problem.code, problem.summary) == ("spec-grader", summary)


def test_programs_are_not_looked_into_for_templates() -> None:
    spec(reinforced("{type: python, name: p, source: 'def grade(sample, item): return {{}}'}"))


def test_a_program_has_a_greatest_size() -> None:
    (problem,) = problems(reinforced(f"{{type: python, name: p, source: {'x' * 256_001}}}"))
    assert problem.code == "spec-value"


def test_odd_graders_are_left_to_the_schema() -> None:
    for grader in ("text", "{type: multi, graders: [1], calculate_output: 7}", "{type: multi, graders: {a: 1}}"):
        assert {problem.code for problem in problems(reinforced(grader))} <= {"spec-type", "spec-missing"}


def test_a_mistake_that_is_told_as_misspelt_is_not_told_as_missing() -> None:
    found = problems(head="kinds: FineTune\nmodel: gpt-4.1\ntraining_fil: a.jsonl\n")
    assert [problem.code for problem in found] == ["spec-unknown-key", "spec-unknown-key"]


@pytest.mark.parametrize("key", ["x" * 100, "", "日本語"])
def test_an_unknown_key_may_be_anything(key: str) -> None:
    (problem,) = problems(f"'{key}': 1\n")
    assert problem.code == "spec-unknown-key"
    assert problem.fix is not None
    assert problem.fix.startswith("remove it; the keys here are `kind`, ")


@pytest.mark.parametrize("text", ["api_key: {}\n", "suffix: [{}]\n", "{}: 1\n", "validation_file: /{}\n"])
def test_a_key_that_strayed_into_a_spec_is_not_shown(text: str) -> None:
    assert "sk-0123456789" not in repr(problems(text.format("sk-0123456789")))


def test_a_grader_is_told_what_it_needs() -> None:
    found = problems(reinforced("{type: string_check, operation: eq}"))
    assert [(problem.summary, problem.fix) for problem in found] == [
        ("`grader` needs `name`", "write a name, such as `name: exact`"),
        ("`grader` needs `input`", "write a text, such as `'{{item.answer}}'`"),
        ("`grader` needs `reference`", "write a text, such as `'{{item.answer}}'`"),
    ]


def test_a_misspelt_hyperparameter_is_told_its_right_name() -> None:
    (problem,) = problems("method: {type: supervised, supervised: {hyperparameters: {epochs: 3}}}\n")
    assert (problem.code, problem.fix) == ("spec-unknown-key", "did you mean `n_epochs`?")
