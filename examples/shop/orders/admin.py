from django.contrib import admin

from orders.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("pk", "item", "quantity", "city", "email", "created_at", "mailed_at")
    list_filter = ("city", "created_at")
    search_fields = ("item", "email")
    readonly_fields = ("created_at", "mailed_at")
