"""The bundled policies, one file each; installed as the package ``twgw_plugins``."""
