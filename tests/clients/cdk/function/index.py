def hello(event, context):
    return {"hello": event["name"]}


def made(event, context):
    """Answer the provider framework."""
    word = event["ResourceProperties"]["Word"]
    return {"PhysicalResourceId": "custom", "Data": {"Answer": f"{word} was given"}}
