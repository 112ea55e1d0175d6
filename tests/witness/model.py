"""Checks recorded exchanges against AWS's own API models, from botocore: `model.py FILE`.

Each line is an exchange written by tests/aws/src/exchanges.rs, one of each shape. The script checks members, required members,
types, enums, patterns, lengths and ranges of every request and answer, including errors. An injected error must be one of the
service. The script also tests itself: it breaks an exchange of each operation in each of these ways, and fails if a broken one
is not noticed.
"""

import base64
import copy
import json
import sys
from collections import Counter

import botocore.loaders
import botocore.model
import botocore.parsers
import regex

# The operations that the tests and `cli.py` must have called, so that an empty record fails.
EXPECTED = {
    "dynamodb": {"Scan", "Query", "DescribeTable", "CreateTable", "PutItem", "GetItem", "DeleteItem"},
    "sts": {"GetCallerIdentity"},
    "wafv2": {
        "CreateIPSet", "UpdateIPSet", "GetIPSet", "ListIPSets", "CreateRuleGroup", "UpdateRuleGroup", "GetRuleGroup",
        "ListRuleGroups", "GetWebACL", "ListWebACLs", "CreateWebACL", "AssociateWebACL",
    },
}

# Errors that every AWS service can answer, but no model lists.
COMMON = {
    "AccessDeniedException", "ExpiredTokenException", "ThrottlingException", "UnrecognizedClientException",
    "ValidationException", "SerializationException", "UnknownOperationException", "InvalidSignatureException",
    "MissingAuthenticationTokenException", "ExpiredToken", "InvalidClientTokenId",
}

# Structures with exactly one member, although the model does not say so.
UNIONS = {"AttributeValue"}

# Problems that differ only in the index of a list entry are counted as one.
INDEX = regex.compile(r"\[\d+\]")

# Answers of AWS that violate its own model: clients report that WAF returns an empty description for a resource without one.
# The stand-in does the same.
EMPTY_DESCRIPTION = regex.compile(r"answer\..*\bDescription: (characters: 0 is below 1|'' does not match)")

loader = botocore.loaders.Loader()
models = {
    service: botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service) for service in EXPECTED
}
patterns = {}


def check(shape, value, place):
    """Yields the problems of a value."""
    kind = shape.type_name
    limits = shape.metadata
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{place}: not a structure"
            return
        for name in value:
            if name not in shape.members:
                yield f"{place}.{name}: not a member"
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"{place}.{name}: missing"
        if shape.name in UNIONS and len(value) != 1:
            yield f"{place}: {len(value)} members of a union"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from check(member, value[name], f"{place}.{name}")
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{place}: not a list"
            return
        yield from in_range(limits, len(value), f"{place}: entries")
        for index, entry in enumerate(value):
            yield from check(shape.member, entry, f"{place}[{index}]")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{place}: not a map"
            return
        yield from in_range(limits, len(value), f"{place}: entries")
        for key, entry in value.items():
            yield from check(shape.key, key, f"{place} key")
            yield from check(shape.value, entry, f"{place}.{key}")
    elif kind == "string":
        if not isinstance(value, str):
            yield f"{place}: not a string"
            return
        yield from in_range(limits, len(value), f"{place}: characters")
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{place}: {value!r} is not in the enum"
        pattern = shape_pattern(shape)
        if pattern and not pattern.search(value):
            yield f"{place}: {value!r} does not match {pattern.pattern}"
    elif kind == "blob":
        try:
            yield from in_range(limits, len(base64.b64decode(value, validate=True)), f"{place}: bytes")
        except (TypeError, ValueError):
            yield f"{place}: not base64"
    elif kind in ("integer", "long"):
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"{place}: not an integer"
            return
        yield from in_range(limits, value, place)
    elif kind in ("double", "float", "timestamp"):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            yield f"{place}: not a number"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{place}: not a boolean"
    else:
        yield f"{place}: a {kind}, which this script does not know"


def in_range(limits, value, place):
    if "min" in limits and value < limits["min"]:
        yield f"{place}: {value} is below {limits['min']}"
    if "max" in limits and value > limits["max"]:
        yield f"{place}: {value} is above {limits['max']}"


def shape_pattern(shape):
    key = (shape.name, id(shape._shape_model))
    if key not in patterns:
        text = shape._shape_model.get("pattern")
        patterns[key] = regex.compile(text) if text else None
    return patterns[key]


def check_answer(service, operation, status, answer, injected):
    if service == "sts":
        parser = botocore.parsers.create_parser("query")
        parsed = parser.parse({"body": answer.encode(), "headers": {}, "status_code": status}, operation.output_shape)
        if status == 200:
            value = {key: entry for key, entry in parsed.items() if key != "ResponseMetadata"}
            yield from check(operation.output_shape, value, "answer")
        elif not parsed.get("Error", {}).get("Code"):
            yield "answer: an error without a code"
        return
    value = json.loads(answer)
    if status == 200:
        if operation.output_shape:
            yield from check(operation.output_shape, value, "answer")
        return
    code = value.pop("__type", "").rsplit("#", 1)[-1]
    if code in COMMON:
        return
    # Simulations inject errors that AWS does not list for an operation, to check that the program survives them.
    known = models[service].error_shapes if injected else operation.error_shapes
    shapes = {shape.error_code: shape for shape in known}
    if code not in shapes:
        yield f"answer: {operation.name} has no error {code}"
        return
    message = [value.pop(key, None) for key in ("message", "Message")]
    if not any(message):
        yield f"answer: {code} has no message"
    yield from check(shapes[code], value, f"answer.{code}")


# wafsync never makes these calls, and the simulation fails if it does. A test makes them to check that.
FORGED = {"DeleteIPSet", "DeleteRuleGroup", "UpdateWebACL"}


def check_exchange(exchange):
    service = exchange["service"]
    model = models[service]
    if exchange["operation"] not in model.operation_names:
        return [f"{service} has no {exchange['operation']}"]
    operation = model.operation_model(exchange["operation"])
    request = exchange["request"]
    if service == "sts" and request is not None:
        request = {key: value for key, value in request.items() if key not in ("Action", "Version")}
    found = list(check(operation.input_shape, request, "request")) if request is not None else []
    if exchange["answer"] is not None:
        found += check_answer(service, operation, exchange["status"], exchange["answer"], exchange["injected"])
    found = [each for each in found if not EMPTY_DESCRIPTION.search(each)]
    return [f"{exchange['operation']}: {INDEX.sub('[]', each)}" for each in found]


def breakings(exchange):
    """Yields the exchange, broken in one way at a time, with the expected problem."""

    def broken(part, edit, expected):
        copied = copy.deepcopy(exchange)
        if part == "answer":
            value = json.loads(copied["answer"])
            edit(value)
            copied["answer"] = json.dumps(value)
        else:
            edit(copied["request"])
        return copied, expected

    yield broken("request", lambda value: value.update(Nonsense=1), "request.Nonsense: not a member")
    yield broken("answer", lambda value: value.update(Nonsense=1), "answer.Nonsense: not a member")
    if exchange["operation"] == "UpdateIPSet":
        yield broken("request", lambda value: value.pop("LockToken"), "request.LockToken: missing")
        yield broken("request", lambda value: value.update(Scope="EARTH"), "not in the enum")
        yield broken("request", lambda value: value.update(LockToken="0"), "does not match")
        yield broken("request", lambda value: value.update(Name="n" * 129), "129 is above 128")
        yield broken("request", lambda value: value.update(Description="d" * 257), "257 is above 256")
        yield broken("request", lambda value: value.update(Addresses="198.51.100.7/32"), "not a list")
        yield broken("request", lambda value: value.update(Addresses=[7]), "not a string")
        yield broken("answer", lambda value: value.update(NextLockToken=""), "is below 1")
    if exchange["operation"] == "ListIPSets":
        yield broken("request", lambda value: value.update(Limit=101), "101 is above 100")
        yield broken("request", lambda value: value.update(Limit="100"), "not an integer")
    if exchange["operation"] == "Scan":
        yield broken("answer", lambda value: value.update(Items=[{"id": {"S": "a", "N": "1"}}]), "members of a union")


def main():
    exchanges = {}
    problems, counts = Counter(), Counter()
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in file:
            exchange = json.loads(line)
            if exchange["operation"] in FORGED:
                continue
            operation = (exchange["service"], exchange["operation"])
            counts[operation] += 1
            if exchange["status"] == 200 and exchange["request"] is not None:
                exchanges.setdefault(operation, exchange)
            for problem in check_exchange(exchange):
                problems[problem] += 1
    for problem, times in problems.most_common(40):
        print(f"{times} times: {problem}")
    missing = [f"{service} {name}" for service, names in EXPECTED.items() for name in names if not counts[service, name]]
    if missing:
        print("never called: " + ", ".join(sorted(missing)))
    noticed = 0
    for (service, _), exchange in exchanges.items():
        for broken, expected in breakings(exchange) if service != "sts" else []:
            found = check_exchange(broken)
            if not any(expected in each for each in found):
                sys.exit(f"not noticed: {expected} in {broken['operation']}: {found}")
            noticed += 1
    print(f"{sum(counts.values())} exchanges of {len(counts)} operations match AWS's model; {noticed} broken ones noticed")
    sys.exit(1 if problems or missing else 0)


main()
