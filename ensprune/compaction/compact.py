from ..members.base import open_members
from .lossless import lossless_cut
def compact(estimator):
    members = open_members(estimator)
    return members.with_trees([lossless_cut(tree) for tree in members.trees()], exact=True)
