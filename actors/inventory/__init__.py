"""Inventory: items with a price, and stock reserved for orders."""

from actors.inventory import views
from actors.inventory.model import items, reservations
from actors.mesh import Actor, Aggregate, after, answers, decides, projects
from schemas.inventory import (
    AddItem,
    Availability,
    ChangePrice,
    CommitStock,
    ExpireReservation,
    GetAvailability,
    GetItem,
    GetPrices,
    ItemView,
    ListItems,
    ReceiveStock,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    StockReserved,
)

actor = Actor(
    name="inventory",
    aggregates=(
        Aggregate(
            state=items.Item,
            key="sku",
            evolve=items.evolve,
            decisions=(
                decides(AddItem, items.add),
                decides(ChangePrice, items.change_price),
                decides(ReceiveStock, items.receive),
            ),
        ),
        Aggregate(
            state=reservations.Reservation,
            key="reservation_id",
            evolve=reservations.evolve,
            decisions=(
                decides(ReserveStock, reservations.reserve, keys=reservations.keys_of_lines),
                decides(
                    ReleaseStock,
                    reservations.release,
                    keys=reservations.key_alone,
                    more_keys=reservations.keys_held,
                ),
                decides(
                    CommitStock, reservations.commit, keys=reservations.key_alone, more_keys=reservations.keys_held
                ),
                decides(
                    ReturnStock,
                    reservations.put_back,
                    keys=reservations.key_alone,
                    more_keys=reservations.keys_held,
                ),
                decides(
                    ExpireReservation,
                    reservations.expire,
                    keys=reservations.key_alone,
                    more_keys=reservations.keys_held,
                ),
            ),
        ),
    ),
    answers=(
        answers(GetItem, views.get_item),
        answers(ListItems, views.list_items),
        answers(GetAvailability, views.get_availability),
        answers(GetPrices, views.get_prices),
    ),
    projections=(
        projects(ItemView, views.item_view),
        projects(Availability, views.availability, store="redis"),
    ),
    timers=(after(StockReserved, reservations.HELD_SECONDS, reservations.expiry),),
)
