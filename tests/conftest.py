pytest_plugins = ["tests.support.databases", "tests.support.label_studio", "tests.support.stack"]
