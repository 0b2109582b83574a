from django.urls import path

from orders import views

urlpatterns = [
    path("", views.index, name="index"),
    path("orders/", views.create_order, name="orders"),
    path("stats/", views.stats, name="stats"),
    path("tasks/<slug:name>/start/", views.start_task, name="start-task"),
    path("tasks/<uuid:task_id>/", views.task, name="task"),
    path("health/", views.health, name="health"),
]
