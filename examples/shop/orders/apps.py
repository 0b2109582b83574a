from django.apps import AppConfig
from yurt.cache.django import watch


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self) -> None:
        # A new, changed or deleted order makes the counts a miss, once it is committed.
        watch(self.get_model("Order"))
