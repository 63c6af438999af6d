"""Users of a chat product, for Locust: short questions mostly, long texts sometimes."""
import random

from locust import HttpUser, between, task

SHORT = ["What is a queue?", "Tell me a joke.", "Write a haiku about rain.",
         "什么是人工智能？"]
LONG = "Summarise this:\n" + "The river rises in the hills and runs slowly to the sea. " * 12


class ChatUser(HttpUser):
    wait_time = between(1, 3)

    @task(3)
    def short_question(self):
        self.client.post("/generate", json={
            "prompt": random.choice(SHORT), "max_tokens": 40, "temperature": 0.7, "top_p": 0.9,
            "frequency_penalty": 0.5})

    @task(1)
    def long_text(self):
        self.client.post("/generate", json={"prompt": LONG, "max_tokens": 100, "temperature": 0.7})
