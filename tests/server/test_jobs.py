"""Fine-tuning jobs as clients see them, at a time that the test holds; training is real, in this process."""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ftops.server.settings import Settings
from tests.server.conftest import CHAT, PREFERENCES, TOKEN, Inside, chat_lines, inside_of

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
INVALID = "The job failed due to an invalid training file. Invalid file format. "
TWO_EPOCHS = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 6}}}


def file_of(client: openai.OpenAI, content: bytes = CHAT, name: str = "train.jsonl") -> str:
    return client.files.create(file=(name, content), purpose="fine-tune").id


def create(client: openai.OpenAI, content: bytes = CHAT, **arguments: Any) -> Any:
    arguments = {"model": "tiny-byte-90k", "training_file": file_of(client, content)} | arguments
    return client.fine_tuning.jobs.create(**arguments)


def messages(client: openai.OpenAI, job_id: str) -> list[str]:
    """Oldest first."""
    return [event.message for event in client.fine_tuning.jobs.list_events(job_id, limit=100)][::-1]


def said(error: openai.APIStatusError) -> object:
    """The server's own words, which the client puts a prefix before."""
    assert isinstance(error.body, dict)
    return error.body["message"]


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A server that is shared by what leaves no trace in it."""
    state = tmp_path_factory.mktemp("refusing")
    with inside_of(Settings(state=state, token=TOKEN, train=False)) as server:
        yield server.client()


def test_a_new_job_is_the_request_with_everything_filled_in(inside: Inside, clock: Any) -> None:
    client = inside.client()
    file = file_of(client)
    job = client.fine_tuning.jobs.create(model="tiny-byte", training_file=file, suffix="My Suffix")
    raw = job.to_dict()
    assert raw["seed"] in range(2**31)
    assert raw == {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": "tiny-byte-90k",
        "created_at": clock.now(),
        "finished_at": None,
        "fine_tuned_model": None,
        "organization_id": "org-ftopsLocal",
        "result_files": [],
        "status": "validating_files",
        "validation_file": None,
        "training_file": file,
        "hyperparameters": AUTO,
        "trained_tokens": None,
        "error": {"code": None, "message": None, "param": None},
        "user_provided_suffix": "My Suffix",
        "seed": raw["seed"],
        "estimated_finish": None,
        "integrations": [],
        "metadata": None,
        "usage_metrics": None,
        "shared_with_openai": False,
        "method": {"type": "supervised", "supervised": {"hyperparameters": AUTO}},
    }
    assert len(job.id) == len("ftjob-") + 24
    assert messages(client, job.id) == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {file}",
    ]
    assert client.fine_tuning.jobs.retrieve(job.id) == job


def test_hyperparameters_at_the_top_are_mirrored_into_the_method(inside: Inside) -> None:
    job = create(inside.client(), hyperparameters={"n_epochs": 3})
    wanted = AUTO | {"n_epochs": 3}
    assert job.hyperparameters.to_dict() == wanted
    assert job.method.to_dict() == {"type": "supervised", "supervised": {"hyperparameters": wanted}}


def test_a_dpo_job_has_no_hyperparameters_at_the_top(inside: Inside) -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}
    job = create(inside.client(), PREFERENCES, method=method)
    assert job.hyperparameters is None
    assert job.method.to_dict() == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1} | AUTO}}


def test_training_ends_in_a_model_with_checkpoints_and_results(inside: Inside, clock: Any) -> None:
    client = inside.client()
    validation = file_of(client)
    job = create(client, validation_file=validation, suffix=" Elle's limericks! ", seed=7, method=TWO_EPOCHS)
    clock.advance(60)
    assert inside.world.run_next_job() == job.id
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert (done.status, done.finished_at, done.estimated_finish) == ("succeeded", clock.now(), None)
    assert done.hyperparameters.to_dict() == {"n_epochs": 2, "batch_size": 6, "learning_rate_multiplier": 1.8}
    assert done.method is not None
    assert done.method.to_dict() == {
        "type": "supervised",
        "supervised": {"hyperparameters": done.hyperparameters.to_dict()},
    }
    assert done.error is not None
    assert done.error.to_dict() == {"code": None, "message": None, "param": None}
    assert done.trained_tokens is not None
    assert done.trained_tokens > 500
    assert done.fine_tuned_model is not None
    assert done.fine_tuned_model.startswith("ft:tiny-byte-90k:personal:elle-s-limericks:")

    last, first = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert (last.fine_tuned_model_checkpoint, last.step_number) == (done.fine_tuned_model, 4)
    assert (first.fine_tuned_model_checkpoint.endswith(":ckpt-step-2"), first.step_number) == (True, 2)
    assert first.fine_tuned_model_checkpoint.split(":")[4] != done.fine_tuned_model.split(":")[4]
    assert last.metrics.full_valid_loss is not None
    names = [model.id for model in client.models.list()]
    assert names[-2:] == [first.fine_tuned_model_checkpoint, done.fine_tuned_model]

    events = client.fine_tuning.jobs.list_events(job.id).data
    told = [event.message for event in events][::-1]
    assert told[:4] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file} and validation file: {validation}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert told[-3:] == [
        f"Checkpoint created at step 2 with Snapshot ID: {first.fine_tuned_model_checkpoint}",
        f"New fine-tuned model created: {done.fine_tuned_model}",
        "The job has successfully completed",
    ]
    metrics: list[Any] = [event.data for event in events if event.type == "metrics"][::-1]
    assert [data["step"] for data in metrics] == [1, 2, 3, 4]
    assert told[7] == (
        f"Step 4/4: training loss={metrics[3]['train_loss']:.2f}, validation loss={metrics[3]['valid_loss']:.2f}, "
        f"full validation loss={metrics[3]['full_valid_loss']:.2f}"
    )
    assert metrics[0].keys() == {"step", "train_loss", "total_steps", "train_mean_token_accuracy"}

    (result_file,) = done.result_files
    result = client.files.retrieve(result_file)
    assert (result.filename, result.purpose) == ("step_metrics.csv", "fine-tune-results")
    text = base64.b64decode(client.files.content(result_file).read(), validate=True).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert [float(row["train_loss"]) for row in rows] == [data["train_loss"] for data in metrics]
    assert (rows[0]["valid_loss"], float(rows[3]["valid_loss"])) == ("", metrics[3]["valid_loss"])
    assert not inside.world.state.run(job.id).exists()


def test_only_the_last_three_epochs_are_kept(inside: Inside) -> None:
    client = inside.client()
    job = create(
        client, method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 5, "batch_size": 12}}}
    )
    inside.world.run_next_job()
    assert [point.step_number for point in client.fine_tuning.jobs.checkpoints.list(job.id)] == [5, 4, 3]
    (page,) = [client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)]
    assert page.has_more
    assert len(list((inside.world.state.folder / "models").iterdir())) == 3


def test_dpo_trains(inside: Inside) -> None:
    client = inside.client()
    hyperparameters = {"n_epochs": 2, "batch_size": 6, "beta": 0.5}
    job = create(client, PREFERENCES, method={"type": "dpo", "dpo": {"hyperparameters": hyperparameters}})
    inside.world.run_next_job()
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert (done.status, done.hyperparameters) == ("succeeded", None)
    assert done.method is not None
    assert done.method.to_dict()["dpo"] == {"hyperparameters": hyperparameters | {"learning_rate_multiplier": 1.8}}


def test_a_fine_tune_of_a_fine_tune_goes_on_from_its_weights(inside: Inside) -> None:
    client = inside.client()
    many = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 10, "batch_size": 6}}}
    first = create(client, method=many, suffix="one")
    inside.world.run_next_job()
    model = client.fine_tuning.jobs.retrieve(first.id).fine_tuned_model
    assert model is not None
    checkpoint = client.fine_tuning.jobs.checkpoints.list(first.id).data[-1].fine_tuned_model_checkpoint
    second, third = (create(client, model=parent, method=TWO_EPOCHS, suffix="two") for parent in (model, checkpoint))
    assert (second.model, third.model) == (model, checkpoint)
    client.models.delete(model)
    for job in (second, third):
        assert inside.world.run_next_job() == job.id
        done = client.fine_tuning.jobs.retrieve(job.id)
        assert (done.status, str(done.fine_tuned_model)[:29]) == ("succeeded", "ft:tiny-byte-90k:personal:two")
        (start,) = [
            event.data for event in client.fine_tuning.jobs.list_events(job.id) if event.message.startswith("Step 1/")
        ]
        assert isinstance(start, dict)
        assert start["train_loss"] < 3  # an untrained model begins above 5


def test_a_deleted_model_is_gone_and_its_job_is_not(inside: Inside) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    inside.world.run_next_job()
    name = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert name is not None
    assert client.models.retrieve(name).to_dict()["shutdown_date"] is None
    assert client.models.delete(name).deleted
    gone = f"The model `{name}` does not exist or you do not have access to it."
    for ask in (
        lambda: client.models.retrieve(name),
        lambda: client.models.delete(name),
        lambda: create(client, model=name),
        lambda: client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hello"}]),
    ):
        with pytest.raises(openai.NotFoundError) as raised:
            ask()
        assert (raised.value.code, said(raised.value)) == ("model_not_found", gone)
    assert name not in [model.id for model in client.models.list()]
    done = client.fine_tuning.jobs.retrieve(job.id)
    assert (done.status, done.fine_tuned_model) == ("succeeded", name)
    with pytest.raises(openai.BadRequestError, match="is a base model and cannot be deleted"):
        client.models.delete("tiny-byte")


def test_bases_can_be_asked_for_by_alias(inside: Inside) -> None:
    client = inside.client()
    assert client.models.retrieve("smollm2").id == "smollm2-135m-instruct"
    assert [model.id for model in client.models.list()] == ["smollm2-135m-instruct", "tiny-byte-90k"]


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        (
            chat_lines(("a", "b"), times=7),
            {},
            "invalid_n_examples",
            "Training file has 7 example(s), but must have at least 10 examples",
        ),
        (
            PREFERENCES,
            {},
            "invalid_training_file",
            INVALID + "Input file FILE is in the fine-tune-preference format, but the specified fine-tuning job is "
            "not using 'dpo' as the training method (provided method=supervised). ",
        ),
        (
            CHAT,
            {"method": {"type": "dpo"}},
            "invalid_training_file",
            INVALID + "Input file FILE is in the fine-tune-chat format, but the specified fine-tuning job is "
            "not using 'supervised' as the training method (provided method=dpo). ",
        ),
    ],
)
def test_an_unfit_file_fails_the_job_when_it_begins_and_not_before(
    inside: Inside, content: bytes, arguments: dict[str, Any], code: str, message: str
) -> None:
    client = inside.client()
    job = create(client, content, **arguments)
    assert job.status == "validating_files"
    inside.world.run_next_job()
    failed = client.fine_tuning.jobs.retrieve(job.id)
    assert failed.error is not None
    wanted = {"code": code, "param": "training_file", "message": message.replace("FILE", job.training_file)}
    assert failed.error.to_dict() == wanted
    assert (failed.status, failed.finished_at, failed.fine_tuned_model) == ("failed", None, None)
    assert "auto" in failed.to_json()
    last = client.fine_tuning.jobs.list_events(job.id).data[0]
    assert (last.level, last.message) == ("error", wanted["message"])
    assert not inside.world.state.run(job.id).exists()


def test_an_unfit_validation_file_fails_the_job_too(inside: Inside) -> None:
    client = inside.client()
    job = create(client, validation_file=file_of(client, b"\n"))
    inside.world.run_next_job()
    error = client.fine_tuning.jobs.retrieve(job.id).error
    assert error is not None
    assert (error.code, error.param) == ("invalid_n_examples", "validation_file")
    assert error.message == "Validation file has 0 example(s), but must have at least 1 examples"


def test_a_file_may_be_deleted_once_a_job_has_it(inside: Inside) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    client.files.delete(job.training_file)
    inside.world.run_next_job()
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            {"model": "gpt-4o"},
            "model_not_available",
            "Model gpt-4o is not available for fine-tuning or does not exist.",
        ),
        ({"training_file": "file-x"}, None, "invalid training_file: file-x"),
        ({"validation_file": "file-x"}, None, "invalid validation_file: file-x"),
        ({"suffix": "x" * 65}, "string_above_max_length", "Expected a string with maximum length 64"),
        ({"suffix": ""}, "string_below_min_length", "string too short"),
        ({"seed": -1}, "integer_below_min_value", "Expected a value >= 0, but got -1"),
        ({"seed": 2**31}, "integer_above_max_value", "Expected a value <= 2147483647"),
        ({"seed": 1.5}, "invalid_type", "Invalid type for 'seed': expected an integer, but got a decimal"),
        ({"seed": True}, "invalid_type", "got a boolean instead"),
        ({"metadata": {str(n): "" for n in range(17)}}, "object_above_max_properties", "at most 16 properties"),
        ({"metadata": {"k" * 65: "v"}}, "string_above_max_length", "Expected a name with maximum length 64"),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "Invalid 'metadata.k'"),
        ({"metadata": {"k": 1}}, "invalid_type", "Invalid type for 'metadata.k': expected a string"),
        ({"metadata": {"k": None}}, "invalid_type", "got null instead"),
        ({"metadata": ["k"]}, "invalid_type", "Invalid type for 'metadata': expected an object, but got an array"),
        ({"integrations": [{"type": "wandb"}]}, "unsupported_value", "reports to no other services"),
        ({"integrations": [{}] * 6}, "array_above_max_length", "maximum length 5"),
        ({"method": {"type": "reinforcement"}}, "unsupported_value", "'reinforcement' is not available"),
        ({"method": {"type": "magic"}}, "invalid_value", "Supported values are: 'supervised', 'dpo', 'reinforcement'"),
        ({"method": {}}, "missing_required_parameter", "Missing required parameter: 'method.type'"),
        ({"method": {"type": None}}, "invalid_type", "Invalid type for 'method.type'"),
        ({"method": {"type": "supervised", "speed": 9}}, "unknown_parameter", "Unknown parameter: 'method.speed'"),
        ({"method": {"type": "dpo", "dpo": {"beta": 1}}}, "unknown_parameter", "Unknown parameter: 'method.dpo.beta'"),
        (
            {"method": {"type": "dpo"}, "hyperparameters": {"n_epochs": 1}},
            None,
            "use 'method.dpo.hyperparameters'",
        ),
        ({"hyperparameters": {"n_epochs": 0}}, "integer_below_min_value", "Invalid 'hyperparameters.n_epochs'"),
        ({"hyperparameters": {"n_epochs": 51}}, "integer_above_max_value", "Expected a value <= 50"),
        ({"hyperparameters": {"n_epochs": "many"}}, "invalid_type", "expected an integer, but got a string"),
        ({"hyperparameters": {"batch_size": 257}}, "integer_above_max_value", "Expected a value <= 256"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "decimal_below_min_value", "Expected a value > 0"),
        ({"hyperparameters": {"learning_rate_multiplier": "fast"}}, "invalid_type", "expected a decimal"),
        ({"hyperparameters": {"beta": 1}}, "unknown_parameter", "Unknown parameter: 'hyperparameters.beta'"),
        (
            {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}},
            "decimal_above_max_value",
            "Invalid 'method.dpo.hyperparameters.beta'",
        ),
        ({"extra_body": {"trainingType": "Standard"}}, "unknown_parameter", "Unknown parameter: 'trainingType'."),
    ],
)
def test_a_wrong_request_is_refused_and_makes_no_job(
    refusing: openai.OpenAI, arguments: dict[str, Any], code: str | None, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        create(refusing, **arguments)
    assert raised.value.code == code
    assert message in str(said(raised.value))
    assert refusing.fine_tuning.jobs.list().data == []


def test_a_file_of_another_purpose_is_refused(inside: Inside) -> None:
    client = inside.client()
    file = client.files.create(file=("a.jsonl", CHAT), purpose="batch").id
    with pytest.raises(
        openai.BadRequestError, match="has purpose 'batch', but 'training_file' needs purpose 'fine-tune'"
    ):
        create(client, training_file=file)


def test_a_fourth_active_job_of_one_model_must_wait(inside: Inside) -> None:
    client = inside.client()
    jobs = [create(client) for _ in range(3)]
    with pytest.raises(openai.RateLimitError) as raised:
        create(client)
    assert raised.value.code == "rate_limit_exceeded"
    assert said(raised.value) == (
        "This fine-tune request has been rate-limited. Your organization has reached the maximum of 3 active requests "
        "(0 running, 3 pending) for the model tiny-byte-90k."
    )
    create(client, model="smollm2")
    client.fine_tuning.jobs.cancel(jobs[1].id)
    create(client)


def test_jobs_are_found_by_metadata(inside: Inside, clock: Any) -> None:
    client = inside.client()
    for number in range(3):
        client.fine_tuning.jobs.cancel(create(client, metadata={"ftops.spec": "elle", "n": str(number)}).id)
        clock.advance(1)
    client.fine_tuning.jobs.cancel(create(client, metadata={"ftops.spec": "stars"}).id)
    create(client)

    def found(**query: Any) -> list[str]:
        return [json.dumps(job.metadata) for job in client.fine_tuning.jobs.list(**query)]

    assert len(found()) == 5
    assert found(metadata={"ftops.spec": "elle"}) == [f'{{"ftops.spec": "elle", "n": "{n}"}}' for n in (2, 1, 0)]
    assert found(metadata={"ftops.spec": "elle", "n": "1"}) == ['{"ftops.spec": "elle", "n": "1"}']
    assert found(metadata={"ftops.spec": "elle", "n": "3"}) == []
    assert found(extra_query={"metadata": "null"}) == ["null"]
    assert len(found(limit=2)) == 5
    newest = client.fine_tuning.jobs.list(limit=2)
    assert (newest.has_more, [job.metadata for job in newest.data]) == (True, [None, {"ftops.spec": "stars"}])


def test_a_job_can_be_cancelled_until_it_is_over(inside: Inside, clock: Any) -> None:
    client = inside.client()
    job = create(client)
    cancelled = client.fine_tuning.jobs.cancel(job.id)
    assert (cancelled.status, cancelled.finished_at) == ("cancelled", clock.now())
    assert cancelled.error is not None
    assert cancelled.error.to_dict() == {"code": None, "message": None, "param": None}
    assert inside.world.run_next_job() is None
    for steer, participle in (
        (client.fine_tuning.jobs.cancel, "cancelled"),
        (client.fine_tuning.jobs.pause, "paused"),
        (client.fine_tuning.jobs.resume, "resumed"),
    ):
        with pytest.raises(openai.BadRequestError) as raised:
            steer(job.id)
        assert raised.value.code == "invalid_job_status"
        assert said(raised.value) == f"Fine-tuning job {job.id} has status 'cancelled' and cannot be {participle}."


def test_a_job_that_is_paused_before_it_runs_begins_when_it_is_resumed(inside: Inside) -> None:
    client = inside.client()
    job = create(client, method=TWO_EPOCHS)
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    assert inside.world.run_next_job() is None
    assert client.fine_tuning.jobs.resume(job.id).status == "validating_files"
    inside.world.run_next_job()
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_events_come_newest_first_in_pages_of_twenty(inside: Inside) -> None:
    client = inside.client()
    hyperparameters = {"n_epochs": 20, "batch_size": 12}
    job = create(client, method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}})
    inside.world.run_next_job()
    page = client.fine_tuning.jobs.list_events(job.id)
    assert (len(page.data), page.has_more) == (20, True)
    assert page.data[0].message == "The job has successfully completed"
    everything = list(page)
    assert len({event.id for event in everything}) == len(everything) == 4 + 20 + 4
    assert everything[-1].message == f"Created fine-tuning job: {job.id}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": 0}, "Expected a value >= 1, but got 0"),
        ({"limit": 101}, "Expected a value <= 100"),
        ({"limit": "many"}, "Invalid type for 'limit': expected an integer"),
        ({"after": "ftjob-x"}, "there is no object with id 'ftjob-x'"),
    ],
)
def test_a_wrong_page_is_refused(refusing: openai.OpenAI, query: dict[str, Any], message: str) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        refusing.fine_tuning.jobs.list(extra_query=query)


def test_an_unknown_job_is_not_found(refusing: openai.OpenAI) -> None:
    jobs = refusing.fine_tuning.jobs
    for ask in (jobs.retrieve, jobs.cancel, jobs.pause, jobs.resume, jobs.list_events, jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError, match="Could not find fine tune: ftjob-x") as raised:
            ask("ftjob-x")
        assert raised.value.code == "fine_tune_not_found"
