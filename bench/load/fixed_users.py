"""For limits.py: users who ask the same, one to three seconds after each answer."""
from locust import HttpUser, between, task

BODY = {"prompt": "Once upon a time there was a river", "max_tokens": 400, "temperature": 0,
        "ignore_eos": True, "stream": False}


class User(HttpUser):
    wait_time = between(1, 3)

    @task
    def ask(self):
        self.client.post("/generate", json=BODY)
