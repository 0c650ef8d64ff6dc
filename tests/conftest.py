pytest_plugins = ["tests.support.label_studio", "tests.support.stack"]
