"""Our OpenAPI and AsyncAPI documents, judged by the programs that others read them with."""
