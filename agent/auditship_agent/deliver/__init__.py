"""Send bodies, understand replies, and decide what is next: repeat, reject, hold.

Errors are classified by the server's error type, never by HTTP class alone. The reply is a strict
contract: whatever cannot be read means "unknown", and the same ids are sent again; what was stored
answers 409. A hold is an outage that needs a person; nothing is ever dropped for it.
"""

from auditship_agent.deliver.bodies import Refused, Settled
from auditship_agent.deliver.delivery import Delivery
from auditship_agent.deliver.senders import Report

__all__ = ["Delivery", "Refused", "Report", "Settled"]
