"""`ftops.yaml`: what it says, what it may not say, and that no key is ever shown."""

from __future__ import annotations

import pytest

from ftops.diagnostics import Diagnostic, ProblemsError
from ftops.report.problems import problem_json, render_problems
from ftops.spec.config import AliasTarget, Config, EnvSource, Target, parse_config

LOCAL = Target(name="local", profile="local")


def problems(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ProblemsError) as caught:
        parse_config(text.encode())
    return tuple(caught.value.problems)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "---\n"])
def test_an_empty_file_has_all_defaults(text: str) -> None:
    assert parse_config(text.encode()) == Config(
        project=None, specs="specs", default_target="local", targets={"local": LOCAL}, aliases={}
    )


def test_every_field_arrives() -> None:
    digest = "0123456789abcdef" * 4
    read = parse_config(
        f"""\
project: acme/models
specs: ./models/specs/
default_target: openai
targets:
  openai:
    profile: openai
    api_key: {{env: OPENAI_API_KEY}}
    organization: org-1
    project_id: proj_1
  foundry: {{profile: azure, base_url: 'https://example.openai.azure.com/openai/v1'}}
  local: {{profile: local, models: {{gpt-4.1-mini-2025-04-14: tiny}}}}
aliases:
  production: elle@sha256:{digest}
  candidate: elle.v2@{digest[:12]}
""".encode()
    )
    assert read == Config(
        project="acme/models",
        specs="models/specs",
        default_target="openai",
        targets={
            "local": Target(name="local", profile="local", models={"gpt-4.1-mini-2025-04-14": "tiny"}),
            "openai": Target(
                name="openai",
                profile="openai",
                api_key=EnvSource(env="OPENAI_API_KEY"),
                organization="org-1",
                project_id="proj_1",
            ),
            "foundry": Target(name="foundry", profile="azure", base_url="https://example.openai.azure.com/openai/v1"),
        },
        aliases={
            "production": AliasTarget(spec="elle", digest=f"sha256:{digest}"),
            "candidate": AliasTarget(spec="elle.v2", digest=f"sha256:{digest[:12]}"),
        },
    )


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        ("target: {}", "config-unknown-key", "did you mean `targets`?"),
        ("targets: {openai: {profle: openai}}", "config-unknown-key", "did you mean `profile`?"),
        ("targets: {openai: {}}", "config-missing", "write `profile: …` with `openai`, `azure`,"),
        ("targets: {openai: {profile: opneai}}", "config-value", "did you mean `openai`?"),
        ("targets: {OpenAI: {profile: openai}}", "config-key", "rename it"),
        ("targets: {local: }", "config-type", "remove it, or write `local: {profile: local}`"),
        ("targets: {a: }", "config-type", "write a mapping, such as"),
        ("targets: {a: {profile: azure}}", "config-missing", "write a URL, such as"),
        ("targets: {a: {profile: litellm, base_url: }}", "config-type", "write a URL, such as"),
        ("targets: {a: {profile: openai, base_url: example.org}}", "config-value", "write a URL, such as"),
        ("targets: {a: {profile: openai, base_url: 'http://[::1'}}", "config-value", "write a URL, such as"),
        ("targets: {a: {profile: openai, models: {gpt-4.1: 4}}}", "config-type", "put the value in quotes"),
        ("targets: {a: {profile: openai, api_key: {}}}", "config-missing", "write the variable's name"),
        ("targets: []", "config-type", "write a mapping, such as"),
        ("default_target: opneai\ntargets: {openai: {profile: openai}}", "config-target", "did you mean `openai`?"),
        ("default_target: openai", "config-target", "add it: `targets: {openai: {profile: openai}}`"),
        ("specs: ../specs", "config-path", "write a folder of the repository"),
        ("specs: ./", "config-path", "write a folder of the repository"),
        ("specs: 'C:\\specs'", "config-path", "write a folder of the repository"),
        ("aliases: {production: elle}", "config-value", "copy the digest from `ftops.lock`"),
        ("aliases: {production: elle@sha256:0123}", "config-value", "copy the digest from `ftops.lock`"),
        ("aliases: {production: Elle@0123456789ab}", "config-value", "copy the digest from `ftops.lock`"),
        ("aliases: {Production: elle@0123456789ab}", "config-key", "rename it"),
        ("project: ''", "config-value", "write a name"),
        ("budget: {max_usd: -1}", "config-value", "write a number, such as `budget: {max_usd: 50}`"),
        ("budget: {max_usd: fifty}", "config-type", "write a number, such as `budget: {max_usd: 50}`"),
        ("budget: {max_usd: '50'}", "config-type", "leave out the quotes: `max_usd: 50`"),
        ("budget: {max_usd: .nan}", "yaml-number", "write a finite number"),
        ("budget: {max_used: 50}", "config-unknown-key", "did you mean `max_usd`?"),
        ("budget: {}", "config-missing", "write a number, such as `budget: {max_usd: 50}`"),
        ("budget: ", "config-type", "write a mapping, such as `budget: {max_usd: 50}`"),
        ("budget: 50", "config-type", "write a mapping, such as `budget: {max_usd: 50}`"),
        ("bugdet: {max_usd: 50}", "config-unknown-key", "did you mean `budget`?"),
        ("project: no", "yaml-ambiguous", "write `false`, or if a text is meant"),
        ("- specs", "yaml-not-a-mapping", "write keys and values"),
    ],
)
def test_what_is_wrong_is_told_with_its_fix(text: str, code: str, fix: str) -> None:
    (problem,) = problems(text)
    assert problem.code == code
    assert problem.place is not None
    assert problem.place.path == "ftops.yaml"
    assert problem.why
    assert (problem.fix or "").startswith(fix)


def test_a_budget_says_where_it_is() -> None:
    budget = parse_config(f"project: a\nbudget: {{max_usd: 50}} # {SECRET}\n".encode()).budget
    assert budget is not None
    assert budget.max_usd == 50
    assert (str(budget.place), budget.place.end_column) == ("ftops.yaml:2:19", 21)
    assert budget.place.source == f"budget: {{max_usd: 50}} # {'*' * len(SECRET)}"


SECRET = "sk-proj-0123456789abcdef"


def test_a_key_of_digits_is_a_key() -> None:
    """As fuzzing found: a validator tells it like a place in a list."""
    with pytest.raises(ProblemsError) as error:
        parse_config(b"targets:\n  here:\n    profile: openai\n    models:\n      '0': {}\n")
    (problem,) = error.value.problems
    assert (problem.code, str(problem.place)) == ("config-type", "ftops.yaml:5:12")


@pytest.mark.parametrize(
    "text",
    [
        f"targets: {{a: {{profile: openai, api_key: {SECRET}}}}}",
        f"targets:\n  a:\n    profile: openai\n    api_key: '{SECRET}' # {SECRET}\n",
        f"targets:\n  a:\n    profile: openai\n    api_key:\n      {SECRET}\n",
        f"targets:\n  a:\n    profile: openai\n    api_key: |\n      {SECRET}\n",
        f"targets: {{a: {{profile: openai, api_key: {{env: {SECRET}}}}}}}",
        f"targets: {{a: {{profile: openai, api_key: {{value: {SECRET}}}}}}}",
        f"targets: {{a: {{profile: openai, api_key: [{SECRET}]}}}}",
        f"targets: {{a: {{profile: openai, apikey: {SECRET}}}}}",
        f"targets: {{a: {{profile: openai, token: {SECRET}}}}}",
        f"targets: {{a: {{profile: openai, base_url: 'https://user:{SECRET}@example.org/v1'}}}}",
        f"targets: {{a: {{profile: openai, api_key: !!str {SECRET}}}}}",
        f"targets: {{a: {{profile: openai, api_key: {SECRET}}}}}\nspecs: [",
        f"api_key: {SECRET}",
        f"default_target: {SECRET}",
        f"aliases: {{production: {SECRET}}}",
        f"{SECRET}: 1",
    ],
)
def test_a_key_is_never_shown(text: str) -> None:
    found = problems(text)
    assert SECRET not in render_problems(found, colour=False)
    assert SECRET not in repr(found)
    assert SECRET not in repr([problem_json(problem) for problem in found])


@pytest.mark.parametrize("secret", ["hunter2-and-more", "123456789012", "1e999", "12e45", "012345", "no"])
def test_a_key_may_look_like_anything(secret: str) -> None:
    (problem,) = problems(f"targets: {{a: {{profile: openai, api_key: {secret}}}}}")
    assert problem.code == "config-secret"
    assert problem.place is not None
    assert secret not in (problem.place.source or "").partition("api_key")[2]
    assert f"`{secret}" not in problem.summary


def test_carets_stay_where_they_are_when_a_key_is_blanked() -> None:
    (problem,) = problems(f"targets:\n  a:\n    profile: openai\n    api_key: {SECRET}\n")
    assert problem.place is not None
    assert problem.place.source == "    api_key: ************************"
    assert (problem.place.line, problem.place.column) == (4, 5)


@pytest.mark.parametrize(
    "text", ["aliases: [1]\ntargets: 7\ndefault_target: a", "targets: {a: 1}\ndefault_target: a", "specs: []"]
)
def test_wrong_shapes_do_not_hide_other_problems(text: str) -> None:
    assert problems(text)
