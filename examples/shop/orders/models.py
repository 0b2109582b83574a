from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Order(models.Model):
    class City(models.TextChoices):
        BISHKEK = "Bishkek"
        OSH = "Osh"
        KARAKOL = "Karakol"
        NARYN = "Naryn"
        TALAS = "Talas"

    item = models.CharField(max_length=80)
    quantity = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    city = models.CharField(max_length=20, choices=City, db_index=True)
    email = models.EmailField()
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    mailed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"№ {self.pk}: {self.quantity} × {self.item} to {self.city}"
