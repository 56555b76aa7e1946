"""The tests of a REST API: fixtures for all entities, and what holds for the application as a whole."""

from __future__ import annotations

from workers.llm_router.blueprint import names, sql
from workers.llm_router.blueprint.cases import entity
from workers.llm_router.blueprint.cases.parts import json_value, values_fixture
from workers.llm_router.blueprint.design import Design, Resource
from workers.llm_router.blueprint.drafts import Case, TestDraft
from workers.llm_router.blueprint.text import Module, literal

from . import calculations
from .cases import ServiceWriter
from .routes import routes

_MAIN = """\
@pytest.mark.parametrize(("settings", "port"), [({}, 8000), ({"PORT": "9123"}, 9123)])
def test_main_serves_this_machine_only(monkeypatch, tmp_path, settings, port):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORT", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    started = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: started.append((app.title, options)))

    main()

    assert started == [(TITLE, {"host": "127.0.0.1", "port": port})]"""

_CLIENT = """\
@pytest.fixture(scope="session")
def client():
    with TestClient(create_app()) as client:
        yield client"""
_SERVICE = '''\
@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The application, started once, and a connection to its database."""
    path = tmp_path_factory.mktemp("service") / "test.db"
    with TestClient(create_app(path)) as client, closing(connect(path)) as connection:
        yield client, connection'''
_EMPTIED = '''\
@pytest.fixture
def database(service):
    """A connection to the database, which is empty."""
    _, connection = service
    connection.executescript(EMPTY)
    return connection'''
_SERVICE_CLIENT = """\
@pytest.fixture
def client(service, database):
    client, _ = service
    return client"""


def tests(design: Design) -> tuple[TestDraft, ...]:
    suites = [_entity_file(resource, design) for resource in design.resources]
    return (
        TestDraft(path="tests/conftest.py", text=_conftest(design)),
        *suites,
        *calculations.tests(design),
        _app_file(design),
    )


def _entity_file(resource: Resource, design: Design) -> TestDraft:
    return TestDraft(
        path=f"tests/test_{resource.plural}.py",
        doc=f"What can be done with {resource.nouns}, and what is refused.",
        package=design.module,
        cases=tuple(entity.cases(ServiceWriter(resource, design))),
    )


def _conftest(design: Design) -> str:
    module = Module("An application with an empty database, and records to fill it with.", design.module)
    module.load("pytest")
    module.use("fastapi.testclient", "TestClient")
    module.use(f"{design.module}.app", "create_app")
    if not design.resources:
        module.add(_CLIENT.split("\n"))
        return str(module)
    module.use("contextlib", "closing")
    module.use(f"{design.module}.database", "connect")
    module.add(_emptying(design))
    for text in (_SERVICE, _EMPTIED, _SERVICE_CLIENT):
        module.add(text.split("\n"))
    for resource in design.resources:
        doc = f"Makes valid bodies for POST /{resource.segment}"
        module.add(values_fixture(resource, module, inner="body", doc=doc, shown=json_value, id_of='["id"]'))
        module.add(_make_fixture(resource, module, design))
    return str(module)


def _emptying(design: Design) -> list[str]:
    tables = [*(resource.plural for resource in design.resources), "sqlite_sequence"]
    deletions = [f"DELETE FROM {sql.quoted(table)};" for table in tables]  # noqa: S608 - a text, not a query
    return ['EMPTY = """', "BEGIN;", "PRAGMA defer_foreign_keys = ON;", *deletions, "COMMIT;", '"""']


def fixture(resource: Resource) -> str:
    return names.snake(resource.name)


def _make_fixture(resource: Resource, module: Module, design: Design) -> list[str]:
    """Not through the API: what a test starts from takes most of its time then."""
    name, given, repository = fixture(resource), f"{resource.name}Input", f"{resource.name}Repository"
    module.use(f"{design.module}.models.{resource.plural}", given)
    module.use(f"{design.module}.repositories.{resource.plural}", repository)
    return [
        "@pytest.fixture",
        f"def make_{name}(database, {name}_body):",
        f'    """Stores {resource.nouns} as the API does, and shows them as the API does."""',
        "",
        "    def make(**changes):",
        f"        given = {given}.model_validate({name}_body(**changes))",
        f'        made = {repository}(database).create(given.model_dump(mode="json"))',
        '        return made.model_dump(mode="json")',
        "",
        "    return make",
    ]


def _app_file(design: Design) -> TestDraft:
    cases = [_health(), _main_case(design), _documented(design), _nonsense(design)]
    if design.resources:
        cases.append(_restart(design.resources[0], design))
    return TestDraft(
        path="tests/test_app.py",
        doc="The application as a whole.",
        package=design.module,
        constants=(f"TITLE = {literal(design.title)}",),
        cases=tuple(cases),
    )


def _health() -> Case:
    lines = (
        "def test_health(client):",
        '    response = client.get("/health")',
        "",
        "    assert response.status_code == 200",
        '    assert response.json() == {"status": "ok"}',
    )
    return Case(function="test_health", title="The service tells that it is up", lines=lines, serves=(("", "health"),))


def _main_case(design: Design) -> Case:
    return Case(
        function="test_main_serves_this_machine_only",
        title="The service starts on this machine at the port asked for",
        lines=tuple(_MAIN.split("\n")),
        serves=(("", "start"),),
        uses=((f"{design.module}.__main__", "main"),),
    )


def _documented(design: Design) -> Case:
    paths = [f"/{resource.segment}" for resource in design.resources]
    lines = (
        "def test_routes_are_documented(client):",
        '    document = client.get("/openapi.json").json()',
        "",
        '    assert document["info"]["title"] == TITLE',
        f'    assert {{"/health", *{literal(paths)}}} <= set(document["paths"])',
    )
    return Case(
        function="test_routes_are_documented",
        title="The routes are described by an OpenAPI document",
        lines=lines,
        serves=(("", "documented"),),
    )


def _nonsense(design: Design) -> Case:
    posted = [route.path for route in routes(design) if route.method == "POST" and "{" not in route.path]
    lines = (
        '@pytest.mark.parametrize("body", ["", "{", "[]", \'{"x": NaN}\', \'{"x": "\\\\ud800"}\'])',
        "def test_body_without_sense(client, body):",
        '    headers = {"content-type": "application/json"}',
        f"    response = client.post({literal(posted[0])}, content=body, headers=headers)",
        "",
        "    assert response.status_code == 422",
        '    assert response.headers["content-type"] == "application/json"',
        '    assert {key for found in response.json()["detail"] for key in found} == {"type", "loc", "msg"}',
    )
    return Case(
        function="test_body_without_sense",
        title="A body that makes no sense is refused with a detail",
        lines=lines,
        serves=(("", "nonsense"),),
        kind="error",
    )


def _restart(resource: Resource, design: Design) -> Case:
    lines = (
        f"def test_data_survives_a_restart(client, make_{fixture(resource)}):",
        f"    created = make_{fixture(resource)}()",
        "",
        "    with TestClient(create_app(client.app.state.database_path)) as restarted:",
        f"        response = restarted.get(f\"/{resource.segment}/{{created['id']}}\")",
        "",
        "    assert response.json() == created",
    )
    return Case(
        function="test_data_survives_a_restart",
        title="What was stored is there after a restart",
        lines=lines,
        serves=(("", "persistence"),),
        uses=(("fastapi.testclient", "TestClient"), (f"{design.module}.app", "create_app")),
    )
