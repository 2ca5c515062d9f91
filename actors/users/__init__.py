"""Users: the customers that others ask about."""

from actors.mesh import Actor, Aggregate, answers, decides, projects
from actors.users import model, views
from schemas.users import CustomerView, DeactivateCustomer, GetCustomer, RegisterCustomer

actor = Actor(
    name="users",
    aggregates=(
        Aggregate(
            state=model.Customer,
            key="customer_id",
            evolve=model.evolve,
            decisions=(
                decides(RegisterCustomer, model.register),
                decides(DeactivateCustomer, model.deactivate),
            ),
        ),
    ),
    answers=(answers(GetCustomer, views.get_customer),),
    projections=(projects(CustomerView, views.customer_view),),
)
