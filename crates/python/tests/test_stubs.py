"""The stubs of the native half describe what it has."""

import ast
import inspect
from pathlib import Path

import honeyguide
from honeyguide import _native


def members(stub):
    """Returns the names of what a class of the stubs has, and the parameters of each."""
    functions = [item for item in stub.body if isinstance(item, ast.FunctionDef)]
    return {item.name: [arg.arg for arg in item.args.args + item.args.kwonlyargs] for item in functions}


def test_stubs_name_every_class_function_and_parameter():
    tree = ast.parse((Path(honeyguide.__file__).parent / "_native.pyi").read_text())
    classes = {item.name: members(item) for item in tree.body if isinstance(item, ast.ClassDef)}
    constants = {item.target.id for item in tree.body if isinstance(item, ast.AnnAssign)}
    public = {name for name in dir(_native) if not name.startswith("_")}
    functions = {item.name for item in tree.body if isinstance(item, ast.FunctionDef)}
    # A build with the estimators alone has neither functions nor the classes of the pipeline.
    of_pipeline = functions | {"Rows", "TrainedModel"}
    stubs = set(classes) | constants | functions
    assert public in (stubs, stubs - of_pipeline)
    for name in public & functions:
        stub = next(item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == name)
        assert list(inspect.signature(getattr(_native, name)).parameters) == [arg.arg for arg in stub.args.args]
    for name in public & set(classes):
        stubbed = classes[name]
        native = getattr(_native, name)
        present = {member for member in vars(native) if not member.startswith("_")}
        assert present == {member for member in stubbed if not member.startswith("_")}
        for member, parameters in stubbed.items():
            found = inspect.getattr_static(native, member)
            if callable(getattr(native, member)) and not member.startswith("__"):
                signature = inspect.signature(getattr(native, member))
                assert list(signature.parameters) == parameters, (name, member, found)


def test_the_package_says_that_it_is_typed():
    assert (Path(honeyguide.__file__).parent / "py.typed").exists()
