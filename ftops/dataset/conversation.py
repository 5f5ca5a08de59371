"""The messages of a row, whatever its format, as the rules look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ftops.dataset.rule import Finding, did_you_mean, kind_of, rule, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS_BY_ROLE = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "refusal", "weight", "tool_calls", "function_call", "audio"}),
    "tool": frozenset({"role", "content", "name", "tool_call_id"}),
    "function": frozenset({"role", "content", "name"}),
}
"""Roles, and the keys that a message of each may have.

Source: FineTuneChatRequestInput of openai-openapi (2025-05-20), with the newer developer role and with the `name` that
OpenAI's examples give to tool messages.
"""


class Message(NamedTuple):
    """A message that is an object at least."""

    path: str
    """Of the list it stands in, such as `input.messages`."""
    position: int
    role: str | None
    """None if it is missing or unknown."""
    value: dict[str, object]

    def at(self, key: str = "") -> str:
        return f"{self.path}[{self.position}]" + (f".{key}" if key else "")

    @property
    def calls_something(self) -> bool:
        return self.role == "assistant" and bool(self.value.get("tool_calls") or self.value.get("function_call"))


class Conversation(NamedTuple):
    """The object that holds `messages` and what belongs to them: the row itself, or a preference row's `input`."""

    value: dict[str, object]
    prefix: str
    """Path of the object, with a full stop at its end unless it is the row."""
    messages: tuple[Message, ...]
    """Those that are objects; none if there is no list of messages."""
    is_sound: bool
    """Every message is an object with a known role, so that rules about their order make sense."""

    def at(self, key: str) -> str:
        return self.prefix + key


def conversation_in(value: dict[str, object], prefix: str = "") -> Conversation:
    found = value.get("messages")
    items = found if isinstance(found, list) else []
    messages = messages_in(items, f"{prefix}messages")
    is_sound = len(messages) == len(items) > 0 and all(message.role for message in messages)
    return Conversation(value, prefix, messages, is_sound)


def messages_in(items: list[object], path: str) -> tuple[Message, ...]:
    return tuple(
        Message(path, index, role if isinstance(role := item.get("role"), str) and role in KEYS_BY_ROLE else None, item)
        for index, item in enumerate(items)
        if isinstance(item, dict)
    )


def misspelt_messages(value: dict[str, object]) -> str | None:
    """Find the key that was probably meant to be `messages`, if that one is missing."""
    return None if "messages" in value else next((key for key in value if did_you_mean(key, ["messages"])), None)


@rule(
    "data-messages",
    why="an example is a conversation: a list of at least one message",
    fix='write `"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]`',
)
def messages_are_a_list(conversation: Conversation) -> Iterator[Finding]:
    """A row has `messages`, a list with at least one message."""
    match conversation.value.get("messages", ...):
        case list() as messages:
            if not messages:
                yield Finding(conversation.at("messages"), "is empty")
        case found if found is ...:
            misspelt = misspelt_messages(conversation.value)
            fix = f"rename {shown(misspelt)} to `messages`" if misspelt else None
            yield Finding(conversation.at("messages"), "is missing", fix)
        case found:
            yield Finding(conversation.at("messages"), f"must be a list, and is {kind_of(found)}")


@rule(
    "data-message-type",
    why="each message says who speaks and what is said",
    fix='write each message as an object, such as `{"role": "user", "content": "…"}`',
)
def messages_are_objects(conversation: Conversation) -> Iterator[Finding]:
    """Each message is an object."""
    found = conversation.value.get("messages")
    for index, item in enumerate(found if isinstance(found, list) else ()):
        if not isinstance(item, dict):
            yield Finding(conversation.at(f"messages[{index}]"), f"must be an object, and is {kind_of(item)}")


@rule(
    "data-role-missing",
    why="the provider fails such a job with `Discriminator 'role' is missing in value`",
    fix="say who speaks: `system`, `developer`, `user`, `assistant` or `tool`",
)
def roles_are_present(conversation: Conversation) -> Iterator[Finding]:
    """Each message has a `role`."""
    for message in conversation.messages:
        if "role" not in message.value:
            yield Finding(message.at("role"), "is missing")


@rule(
    "data-role-unknown",
    why="the provider knows the roles `system`, `developer`, `user`, `assistant`, `tool`, and the older `function`",
    fix="use one of these roles, in lower case",
)
def roles_are_known(conversation: Conversation) -> Iterator[Finding]:
    """Each role is one of those that the provider knows."""
    for message in conversation.messages:
        if message.role is None and "role" in message.value:
            role = message.value["role"]
            what = f"is {shown(role)}" if isinstance(role, str) else f"must be a string, and is {kind_of(role)}"
            yield Finding(message.at("role"), what, did_you_mean(role, KEYS_BY_ROLE))


@rule(
    "data-message-key",
    why="OpenAI's own checks for training data count a key that a message does not have as an error",
    fix="remove the key; notes about a row belong outside the training file",
)
def message_keys_are_known(conversation: Conversation) -> Iterator[Finding]:
    """A message has only the keys that its role allows."""
    for message in conversation.messages:
        if message.role is None:
            continue
        known = KEYS_BY_ROLE[message.role]
        for key in message.value:
            if key not in known and key != "weight":  # whose place has a rule of its own
                yield Finding(message.at(), f"has the unknown key {shown(key)}", did_you_mean(key, sorted(known)))


@rule(
    "data-name",
    why="a name tells speakers of one role apart, and says which function a function message answers for",
    fix="write a string, or leave `name` out where the role is not `function`",
)
def names_are_strings(conversation: Conversation) -> Iterator[Finding]:
    """A message's `name` is a string; function messages have one."""
    for message in conversation.messages:
        if "name" not in message.value:
            if message.role == "function":
                yield Finding(message.at("name"), "is missing")
        elif not isinstance(name := message.value["name"], str):
            yield Finding(message.at("name"), f"must be a string, and is {kind_of(name)}")


SHAPE_RULES = (
    messages_are_a_list,
    messages_are_objects,
    roles_are_present,
    roles_are_known,
    message_keys_are_known,
    names_are_strings,
)
