"""Models of requests and answers, which pydantic checks and the OpenAPI file documents."""
