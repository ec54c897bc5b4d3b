"""Tasks: ordinary Lightning modules and data modules, written with no search in mind."""
