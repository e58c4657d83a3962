"""Embeddings, by OpenAI's Python client, which asks for base64 unless told otherwise."""

import openai
from common import KEY, URL, check, equal, raises, run

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)


def create(case, **options):
    return client.embeddings.create(**{"model": case.model("embed"), "input": "Water rises.", **options})


def near(one, other):
    return len(one) == len(other) > 0 and all(abs(a - b) < 1e-6 for a, b in zip(one, other))


def one_text(case):
    answer = create(case)
    equal([item.object for item in answer.data], ["embedding"])
    check(all(isinstance(number, float) for number in answer.data[0].embedding), "no numbers")
    check(answer.usage.prompt_tokens > 0, f"{answer.usage}")


def many_texts(case):
    answer = create(case, input=["Water rises.", "水 falls.", "Water rises."])
    equal([item.index for item in answer.data], [0, 1, 2], "indices")
    vectors = [item.embedding for item in answer.data]
    check(near(vectors[0], vectors[2]) and not near(vectors[0], vectors[1]), "the order is lost")


def base64(case):
    plain = create(case, encoding_format="float").data[0].embedding
    check(near(plain, create(case).data[0].embedding), "base64 and float differ")


def dimensions(case):
    equal(len(create(case, dimensions=256).data[0].embedding), 256, "dimensions")


def token_numbers(case):
    equal(len(create(case, input=[[1, 2, 3], [4, 5]]).data), 2, "vectors")


def error_400(case):
    raises(openai.BadRequestError, lambda: create(case, input=""), 400)


if __name__ == "__main__":
    run("embeddings", [one_text, many_texts, base64, dimensions, token_numbers, error_400])
