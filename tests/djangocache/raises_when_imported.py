"""A module of a site that cannot be imported, and says so with an error of its own."""

raise RuntimeError("this module cannot be imported")
