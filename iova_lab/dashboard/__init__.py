"""asv's page with views and reports of the lab: readable without a network, and served."""
