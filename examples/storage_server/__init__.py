"""A small, real storage application: one process a region, which writes the native audit log.

Users, workspaces, files and links live in one SQLite database in the shared folder, the stand-in
for the metadata service that the regions of a product share. The bytes of a file lie only on the
server that received them; the other regions fetch them from there over HTTP.
Only the standard library is used: this is what an integrator's program looks like, seen from
auditship's side of the log file.
"""
