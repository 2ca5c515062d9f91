"""RegisterDevice and RemoveDevice."""

from actors.mesh.testing.given import given
from actors.notifications.model.recipient import DEVICES_MAX, evolve, register_device, remove_device
from schemas.notifications import (
    DeviceRegistered,
    DeviceRemoved,
    RegisterDevice,
    RemoveDevice,
)

REGISTER = RegisterDevice(user_id="ada", device_token="phone-1")
REGISTERED = DeviceRegistered(user_id="ada", device_token="phone-1")
REMOVE = RemoveDevice(user_id="ada", device_token="phone-1")
REMOVED = DeviceRemoved(user_id="ada", device_token="phone-1")


def test_a_device_is_registered_once() -> None:
    given(evolve).when(register_device, REGISTER).then(REGISTERED)
    given(evolve, REGISTERED).when(register_device, REGISTER).nothing()


def test_a_device_is_removed_once_and_may_come_again() -> None:
    given(evolve, REGISTERED).when(remove_device, REMOVE).then(REMOVED)
    given(evolve, REGISTERED, REMOVED).when(remove_device, REMOVE).nothing()
    given(evolve).when(remove_device, REMOVE).nothing()
    given(evolve, REGISTERED, REMOVED).when(register_device, REGISTER).then(REGISTERED)


def test_nobody_has_more_devices_than_can_be_written_to_at_once() -> None:
    past = [DeviceRegistered(user_id="ada", device_token=f"other-{number}") for number in range(DEVICES_MAX)]
    given(evolve, *past).when(register_device, REGISTER).refused("devices_exhausted", kind="limited")
