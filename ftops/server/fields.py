"""Reading a request's fields, with the API's own words for what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftops.server.errors import ApiError, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Fields:
    """The fields of one object; each is taken once, and `finish` refuses what nobody took.

    Every method gives None for a field that is absent or null, and raises `ApiError` (400) for a wrong one.
    """

    def __init__(self, values: Mapping[str, object], path: str = "") -> None:
        self._values = dict(values)
        self._path = path

    def place(self, name: str) -> str:
        """The full name of a field, such as `method.dpo`."""
        return f"{self._path}.{name}" if self._path else name

    def take(self, name: str) -> object:
        """The value as it came."""
        return self._values.pop(name, None)

    def is_text(self, name: str, text: str) -> bool:
        """Whether the field is *text*, in which case it is taken."""
        if self._values.get(name) != text:
            return False
        self.take(name)
        return True

    def is_kind(self, name: str, kind: type) -> bool:
        """Whether the field has this type; it is not taken."""
        return isinstance(self._values.get(name), kind)

    def text(self, name: str, *, least: int = 0, most: int | None = None, choices: Sequence[str] = ()) -> str | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong_type(name, "a string", value)
        if choices and value not in choices:
            raise wrong_choice(self.place(name), value, choices)
        for wrong, side, bound, code in (
            (len(value) < least, "short", f"minimum length {least}", "string_below_min_length"),
            (most is not None and len(value) > most, "long", f"maximum length {most}", "string_above_max_length"),
        ):
            if wrong:
                raise bad_request(
                    f"Invalid '{self.place(name)}': string too {side}. Expected a string with {bound}, "
                    f"but got a string with length {len(value)} instead.",
                    param=self.place(name),
                    code=code,
                )
        return value

    def required_text(self, name: str, *, choices: Sequence[str] = ()) -> str:
        if name not in self._values:
            raise missing(self.place(name))
        value = self.text(name, least=1, choices=choices)
        if value is None:
            raise self._wrong_type(name, "a string", None)
        return value

    def whole(self, name: str, *, least: int, most: int | None = None) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong_type(name, "an integer", value)
        self._check_bounds(name, "integer", value, least=least, most=most)
        return value

    def required_whole(self, name: str, *, least: int, most: int | None = None) -> int:
        if name not in self._values:
            raise missing(self.place(name))
        value = self.whole(name, least=least, most=most)
        if value is None:
            raise self._wrong_type(name, "an integer", None)
        return value

    def number(self, name: str, *, least: float, most: float | None = None, above: bool = False) -> float | None:
        """A number from *least*, or, if *above*, greater than it."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong_type(name, "a decimal", value)
        self._check_bounds(name, "decimal", value, least=least, most=most, above=above)
        return value

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong_type(name, "a boolean", value)

    def within(self, name: str) -> Fields | None:
        """The fields of the object *name*."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong_type(name, "an object", value)
        return Fields(value, self.place(name))

    def items(self, name: str, *, most: int | None = None) -> list[object] | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self._wrong_type(name, "an array", value)
        if most is not None and len(value) > most:
            raise bad_request(
                f"Invalid '{self.place(name)}': array too long. Expected an array with maximum length {most}, "
                f"but got an array with length {len(value)} instead.",
                param=self.place(name),
                code="array_above_max_length",
            )
        return value

    def labels(self, name: str, *, most: int, key_length: int, value_length: int) -> dict[str, str] | None:
        """A map of strings to strings."""
        fields = self.within(name)
        if fields is None:
            return None
        keys = list(fields._values)  # noqa: SLF001 another of the same class
        if len(keys) > most:
            raise bad_request(
                f"Invalid '{self.place(name)}': too many properties. Expected an object with at most {most} "
                f"properties, but got an object with {len(keys)} properties instead.",
                param=self.place(name),
                code="object_above_max_properties",
            )
        if long := next((key for key in keys if len(key) > key_length), None):
            raise bad_request(
                f"Invalid '{self.place(name)}': property name '{long}' too long. "
                f"Expected a name with maximum length {key_length}.",
                param=self.place(name),
                code="string_above_max_length",
            )
        labels = {key: fields.text(key, most=value_length) for key in keys}
        for key, value in labels.items():
            if value is None:
                raise fields._wrong_type(key, "a string", None)  # noqa: SLF001 another of the same class
        return {key: value for key, value in labels.items() if value is not None}

    def ignore(self, *names: str) -> None:
        """Take fields that change nothing here."""
        for name in names:
            self.take(name)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._values:
            raise bad_request(
                f"Unknown parameter: '{self.place(name)}'.", param=self.place(name), code="unknown_parameter"
            )

    def _check_bounds(
        self, name: str, kind: str, value: float, *, least: float, most: float | None, above: bool = False
    ) -> None:
        place = self.place(name)
        if value < least or (above and value == least):
            raise bad_request(
                f"Invalid '{place}': {kind} below minimum value. "
                f"Expected a value {'>' if above else '>='} {least}, but got {value} instead.",
                param=place,
                code=f"{kind}_below_min_value",
            )
        if most is not None and value > most:
            raise bad_request(
                f"Invalid '{place}': {kind} above maximum value. Expected a value <= {most}, but got {value} instead.",
                param=place,
                code=f"{kind}_above_max_value",
            )

    def _wrong_type(self, name: str, expected: str, value: object) -> ApiError:
        return wrong_type(self.place(name), expected, value)


def missing(place: str) -> ApiError:
    return bad_request(f"Missing required parameter: '{place}'.", param=place, code="missing_required_parameter")


def wrong_type(place: str, expected: str, value: object) -> ApiError:
    message = f"Invalid type for '{place}': expected {expected}, but got {_kind(value)} instead."
    return bad_request(message, param=place, code="invalid_type")


def wrong_choice(place: str, value: str, choices: Sequence[str]) -> ApiError:
    supported = ", ".join(f"'{choice}'" for choice in choices)
    message = f"Invalid value: '{value}'. Supported values are: {supported}."
    return bad_request(message, param=place, code="invalid_value")


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return "null" if value is None else kinds.get(type(value), "an object")
