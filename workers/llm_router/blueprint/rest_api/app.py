"""The application module of a REST API, its errors, exports, start-up and the routers per entity."""

from __future__ import annotations

from workers.llm_router.blueprint import names
from workers.llm_router.blueprint.design import Design, Resource, Transition
from workers.llm_router.blueprint.text import Module, call, docstring, literal

_HANDLERS = '''\
def register_error_handlers(app: FastAPI) -> None:
    """Answer refusals with their status and a detail."""

    @app.exception_handler(RequestValidationError)
    def refuse(request: Request, error: RequestValidationError) -> Response:
        # The input is not sent back: it may hold what no JSON can, such as NaN or half a character.
        detail = [{key: found[key] for key in ("type", "loc", "msg")} for found in error.errors()]
        content = json.dumps({"detail": detail})
        return Response(content, status_code=422, media_type="application/json")'''
_SERVICE_HANDLER = """
    @app.exception_handler(ServiceError)
    def answer(request: Request, error: ServiceError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=error.status)"""
_EXPORT_CSV = '''\
def csv_download(
    name: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]
) -> Response:
    """A CSV file with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return _download(f"{name}.csv", "text/csv", text.getvalue())'''
_EXPORT_JSON = '''\
def json_download(name: str, rows: Iterable[Mapping[str, object]]) -> Response:
    """A JSON file with one array."""
    return _download(f"{name}.json", "application/json", json.dumps(list(rows), indent=2))'''
_DOWNLOAD = """\
def _download(file_name: str, media_type: str, text: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"'}
    return Response(text, media_type=media_type, headers=headers)"""


def errors_module(design: Design) -> str:
    module = Module("What can go wrong, and with which HTTP status it is answered.", design.module)
    module.load("json")
    module.use("fastapi", "FastAPI", "Request", "Response")
    module.use("fastapi.exceptions", "RequestValidationError")
    if design.resources:
        module.use("fastapi.responses", "JSONResponse")
        _add_errors(module, design)
    module.add([*_HANDLERS.split("\n"), *(_SERVICE_HANDLER.split("\n") if design.resources else [])])
    return str(module)


def _add_errors(module: Module, design: Design) -> None:
    module.add(
        "class ServiceError(Exception):",
        '    """A request that can\'t be served; the message is for the client."""',
        "",
        "    status = 400",
    )
    module.add(
        "class NotFound(ServiceError):",
        '    """There is no such record."""',
        "",
        "    status = 404",
        "",
        "    def __init__(self, noun: str, record_id: int) -> None:",
        '        super().__init__(f"there is no {noun} {record_id}")',
    )
    if has_conflicts(design):
        module.add(
            "class Conflict(ServiceError):",
            '    """The request does not fit what is stored."""',
            "",
            "    status = 409",
        )
    if any(resource.references for resource in design.resources):
        module.add(
            "class UnknownReference(ServiceError):",
            '    """A field refers to a record that does not exist."""',
            "",
            "    status = 422",
        )


def has_conflicts(design: Design) -> bool:
    return any(
        resource.uniques
        or (resource.deletes and resource.children)
        or any(transition.sources for transition in resource.transitions)
        for resource in design.resources
    )


def export_module(design: Design) -> str:
    formats = {name for resource in design.resources for name in resource.formats}
    module = Module("Records as files to download.", design.module)
    module.use("collections.abc", "Iterable", "Mapping")
    module.use("fastapi", "Response")
    if "csv" in formats:
        module.load("csv")
        module.load("io")
        module.use("collections.abc", "Sequence")
        module.add(_EXPORT_CSV.split("\n"))
    if "json" in formats:
        module.load("json")
        module.add(_EXPORT_JSON.split("\n"))
    module.add(_DOWNLOAD.split("\n"))
    return str(module)


def app_module(design: Design) -> str:
    module = Module("The application: its routes, error answers and database.", design.module)
    module.use("fastapi", "FastAPI")
    routers = [f"{resource.plural}_router" for resource in design.resources]
    for resource in design.resources:
        module.use(f"{design.module}.routers.{resource.plural}", f"router as {resource.plural}_router")
    if design.functions:
        module.use(f"{design.module}.calculations", "router as calculations_router")
        routers.append("calculations_router")
    lines = ["def create_app() -> FastAPI:", '    """The application."""']
    if design.resources:
        module.use("pathlib", "Path")
        module.use(f"{design.module}.database", "create_schema")
        lines = [
            "def create_app(database_path: str | Path) -> FastAPI:",
            '    """The application on the SQLite file at `database_path`, created where it is missing."""',
            "    create_schema(database_path)",
        ]
    lines += call("app = FastAPI(", [f"title={literal(design.title)}", 'version="0.1.0"'], ")", 4)
    if design.resources:
        lines.append("    app.state.database_path = database_path")
    module.use(f"{design.module}.errors", "register_error_handlers")
    lines.append("    register_error_handlers(app)")
    lines += [f"    app.include_router({router})" for router in routers]
    lines += [
        "",
        '    @app.get("/health", tags=["service"])',
        "    def health() -> dict[str, str]:",
        '        """Tell that the service is up."""',
        '        return {"status": "ok"}',
        "",
        "    return app",
    ]
    module.add(lines)
    return str(module)


def main_module(design: Design) -> str:
    module = Module(f"Start the service: `python -m {design.module}`.", design.module)
    module.load("os")
    module.load("uvicorn")
    module.use(f"{design.module}.app", "create_app")
    path = ""
    lines = ["def main() -> None:"]
    if design.resources:
        lines += [
            '    """Serve on this machine only; PORT and DATABASE_PATH may be set in the environment."""',
            f'    database_path = os.environ.get("DATABASE_PATH", "{design.module}.db")',
        ]
        path = "database_path"
    else:
        lines.append('    """Serve on this machine only; PORT may be set in the environment."""')
    lines += [
        '    port = int(os.environ.get("PORT", "8000"))',
        f'    uvicorn.run(create_app({path}), host="127.0.0.1", port=port)',
    ]
    module.add(lines)
    module.add('if __name__ == "__main__":', "    main()")
    return str(module)


def router_module(resource: Resource, design: Design) -> str:
    module = Module(f"The routes below /{resource.segment}.", design.module)
    package = design.module
    module.use("typing", "Annotated")
    module.use("collections.abc", "Iterator")
    module.use("contextlib", "closing")
    module.use("fastapi", "APIRouter", "Depends", "Path", "Query", "Request")
    module.use(f"{package}.database", "connect")
    module.use(f"{package}.models.shared", "MAX_INTEGER")
    module.use(f"{package}.repositories.{resource.plural}", f"{resource.name}Repository")
    models = [resource.name, f"{resource.name}Filters", f"{resource.name}Input", f"{resource.name}Page"]
    module.use(f"{package}.models.{resource.plural}", *models)
    module.add(f'router = APIRouter(prefix="/{resource.segment}", tags={literal([resource.nouns])})')
    module.add(
        f"def open_repository(request: Request) -> Iterator[{resource.name}Repository]:",
        '    """A repository with a connection of its own for each request."""',
        "    with closing(connect(request.app.state.database_path)) as connection:",
        f"        yield {resource.name}Repository(connection)",
    )
    module.add(f"Repository = Annotated[{resource.name}Repository, Depends(open_repository)]")
    module.add("Id = Annotated[int, Path(ge=1, le=MAX_INTEGER)]", together=True)
    module.add(_create(resource))
    module.add(_list(resource))
    for name in resource.formats:
        module.add(_export(resource, name, module, design))
    module.add(_read(resource))
    if resource.updates and resource.given:
        module.use(f"{package}.models.{resource.plural}", f"{resource.name}Changes")
        module.add(_update(resource))
    if resource.deletes:
        module.add(_delete(resource))
    for transition in resource.transitions:
        module.add(_move(resource, transition))
    return str(module)


def _create(resource: Resource) -> list[str]:
    return [
        '@router.post("", status_code=201)',
        *_signature(f"create_{names.snake(resource.name)}", ["given: " + resource.name + "Input"], resource.name),
        *docstring(f"Create {names.article(resource.noun)}.", 4),
        '    return repository.create(given.model_dump(mode="json"))',
    ]


def _list(resource: Resource) -> list[str]:
    query = f"filters: Annotated[{resource.name}Filters, Query()]"
    return [
        '@router.get("")',
        *_signature(f"list_{resource.plural}", [query], f"{resource.name}Page"),
        *docstring(f"The {resource.nouns} that match all filters, oldest first.", 4),
        '    items, total = repository.page(filters.model_dump(mode="json"))',
        f"    return {resource.name}Page(items=items, total=total)",
    ]


def _export(resource: Resource, name: str, module: Module, design: Design) -> list[str]:
    module.use(f"{design.module}.export", f"{name}_download")
    module.use("fastapi", "Response")
    columns = [literal("id"), *(literal(field.name) for field in resource.fields)]
    arguments = [literal(resource.plural), "rows"]
    lines = [
        f'@router.get("/export.{name}")',
        *_signature(f"export_{resource.plural}_{name}", [], "Response"),
        *docstring(f"All {resource.nouns} as a {name.upper()} file.", 4),
        f'    rows = [{resource.var}.model_dump(mode="json") for {resource.var} in repository.all()]',
    ]
    if name == "csv":
        lines += call("columns = [", columns, "]", 4)
        arguments.insert(1, "columns")
    return [*lines, f"    return {name}_download({', '.join(arguments)})"]


def _read(resource: Resource) -> list[str]:
    return [
        '@router.get("/{record_id}")',
        *_signature(f"read_{names.snake(resource.name)}", ["record_id: Id"], resource.name),
        *docstring(f"One {resource.noun}.", 4),
        "    return repository.get(record_id)",
    ]


def _update(resource: Resource) -> list[str]:
    return [
        '@router.patch("/{record_id}")',
        *_signature(
            f"update_{names.snake(resource.name)}",
            ["record_id: Id", f"changes: {resource.name}Changes"],
            resource.name,
        ),
        *docstring(f"Change some fields of {names.article(resource.noun)}.", 4),
        '    return repository.update(record_id, changes.model_dump(mode="json", exclude_unset=True))',
    ]


def _delete(resource: Resource) -> list[str]:
    return [
        '@router.delete("/{record_id}", status_code=204)',
        *_signature(f"delete_{names.snake(resource.name)}", ["record_id: Id"], "None"),
        *docstring(f"Delete {names.article(resource.noun)}.", 4),
        "    repository.delete(record_id)",
    ]


def _move(resource: Resource, transition: Transition) -> list[str]:
    return [
        f'@router.post("/{{record_id}}/{transition.verb.replace("_", "-")}")',
        *_signature(f"{transition.verb}_{names.snake(resource.name)}", ["record_id: Id"], resource.name),
        *docstring(f"Set {transition.field} to {literal(transition.to)}.", 4),
        f"    return repository.{names.variable(transition.verb)}(record_id)",
    ]


def _signature(name: str, parameters: list[str], result: str) -> list[str]:
    return call(f"def {name}(", [*parameters, "repository: Repository"], f") -> {result}:")
