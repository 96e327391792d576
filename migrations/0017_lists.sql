-- Up Migration

-- Every page of a list, by status, by model, by both or by neither, is a few short walks of this index, one for each model and
-- status that the tenant has had: a rare status among a hundred thousand jobs costs no more than a common one, and so do the
-- jobs between a hundred thousand that were deleted. It takes the place of the index by tenant alone, so accepting a job is no
-- dearer for it; a job's phase changes together with columns of other indexes, so no update is of a dearer kind either.
CREATE INDEX jobs_in_lists ON jobs (tenant, model, phase, erase_requested_at, id);
DROP INDEX jobs_of_tenant;
