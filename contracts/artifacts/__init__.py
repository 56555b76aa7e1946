"""The typed body that each stage writes, and how it becomes bytes.

Every artifact is JSON in a fixed field order, but for the capsule, whose bytes are its archive.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from .brief import Brief, Statement
from .capsule import Capsule, Grade
from .contract import CliCommand, Contract, ContractFile, Export, InternalImport, Package, Route, RunCommands
from .docs import Docs
from .files import File
from .findings import Finding, Severity
from .frd import Frd, FrdItem
from .lock import Lock, LockedPackage
from .model import Entity, Field, FieldType, Kind, Operation, OperationName
from .reports import FileMeasure, FunctionMeasure, PerformanceReport, SecurityReport
from .requirements import Acceptance, Requirement, Requirements
from .source import SourceTree, ValidationReport
from .stand_ins import StandIn, marked
from .submission import Submission
from .tests import FileCoverage, PlannedTest, TestPlan, TestReport, TestResult, TestSuite

__all__ = [
    "JSON",
    "TAR_GZ",
    "Acceptance",
    "Brief",
    "Capsule",
    "CliCommand",
    "Contract",
    "ContractFile",
    "Docs",
    "Entity",
    "Export",
    "Field",
    "FieldType",
    "File",
    "FileCoverage",
    "FileMeasure",
    "Finding",
    "Frd",
    "FrdItem",
    "FunctionMeasure",
    "Grade",
    "InternalImport",
    "Kind",
    "Lock",
    "LockedPackage",
    "Operation",
    "OperationName",
    "Package",
    "PerformanceReport",
    "PlannedTest",
    "Requirement",
    "Requirements",
    "Route",
    "RunCommands",
    "SecurityReport",
    "Severity",
    "SourceTree",
    "StandIn",
    "Statement",
    "Submission",
    "TestPlan",
    "TestReport",
    "TestResult",
    "TestSuite",
    "ValidationReport",
    "decode",
    "encode",
]

JSON = "application/json"
TAR_GZ = "application/gzip"

T = TypeVar("T", bound=msgspec.Struct)


def encode(artifact: msgspec.Struct, stood_in: Iterable[StandIn] = ()) -> tuple[bytes, str]:
    """The artifact's bytes and their media type; equal artifacts with equal stand-ins give equal bytes."""
    if isinstance(artifact, Capsule):
        return artifact.archive, TAR_GZ
    return marked(msgspec.json.encode(artifact), stood_in), JSON


def decode(body: bytes, into: type[T]) -> T:
    """The artifact of type `into`; raises `msgspec.ValidationError` (or `DecodeError`) naming the wrong field.

    A Capsule is the end of the pipeline: nothing decodes it.
    """
    return msgspec.json.decode(body, type=into)
