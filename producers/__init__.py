"""How it gets in: the producer client, the ledger importer and the simulator."""
