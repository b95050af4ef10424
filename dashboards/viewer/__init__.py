"""The board server's page: TypeScript sources, and the bundle built from them."""
