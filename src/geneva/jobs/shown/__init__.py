"""How jobs, plans and columns look in a notebook. Loaded when one is shown."""
