"""The store of many machines: an Elasticsearch cluster, by its core alone."""
