from django import forms

from orders.models import Order


class OrderForm(forms.ModelForm):
    class Meta:
        model = Order
        fields = ("item", "quantity", "city", "email")
        widgets = {
            "item": forms.TextInput(attrs={"placeholder": "Felt carpet"}),
            "email": forms.EmailInput(attrs={"placeholder": "you@example.org"}),
        }
