"""What requests and answers look like; pydantic checks the former and the OpenAPI file shows
both.
"""
