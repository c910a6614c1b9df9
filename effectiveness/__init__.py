"""The front door (`python3 -m effectiveness --help`), and what every command starts with."""
