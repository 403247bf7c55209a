"""Every code that the service is known to answer with, for tests that walk them all.

Gathered from the vendor's error pages, its SDK and other people's clients in November 2026. Each
spelling has its row; a message stands where it decides what the code means.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """One answer of the service that is no pass: `Error(*code)` gives it."""

    status: int
    code: str
    message: str = ""


_ABOUT_THE_PERSON = (
    "NoHuman",
    "MultiHuman",
    "BodyProportion",
    "FacePose",
    "FullFace",
    "FrontBody",
    "FullBody",
    "BodyPose",
    "Value",
    "Content",
    "InvalidPerson",
)
_ABOUT_THE_FILE = ("Resolution", "Size", "ImageSize", "AspectRatio", "Format", "Openerror")

REJECT_CODES: tuple[str, ...] = (
    *(f"InvalidFile.{name}" for name in _ABOUT_THE_PERSON + _ABOUT_THE_FILE),
    "InvalidImage.NoHumanFace",
    "InvalidImage.NoHuman",
    "InvalidImage.ImageSize",
    "InvalidImage.FileFormat",
    "InvalidImageResolution",
    "InvalidImageFormat",
)
"""Codes of a reject. It comes with status 400 and the code at top level, or in a 200's `output`."""

CODES: tuple[Code, ...] = (
    Code(400, "InvalidParameter", "The request is missing required parameters."),
    Code(400, "InvalidParameter", "Failed to download the image."),
    Code(400, "InvalidParameter", "oss download error."),
    Code(400, "InvalidParameter", "Failed to read image."),
    Code(400, "InvalidParameter", "url error, please check url!"),
    Code(400, "InvalidParameter.DataInspection", "Unable to download the media resource."),
    Code(400, "BadRequest.IllegalInput", "The input parameter is invalid."),
    Code(400, "BadRequest.InputDownloadFailed", "Failed to download the input file."),
    Code(400, "InvalidURL", "The URL cannot be fetched."),
    Code(400, "InvalidURL.ConnectionRefused", "Connection refused."),
    Code(400, "InvalidURL.Timeout", "The URL took too long to download."),
    Code(400, "DataInspectionFailed", "Input data may contain inappropriate content."),
    Code(400, "data_inspection_failed", "Input data may contain inappropriate content."),
    Code(400, "IPInfringementSuspect", "Input data is suspected of infringing a right."),
    Code(400, "Arrearage", "The account is overdue."),
    Code(401, "InvalidApiKey", "Invalid API-key provided."),
    Code(401, "invalid_api_key", "Incorrect API key provided."),
    Code(401, "NOT AUTHORIZED", "Access denied: workspace not authorized."),
    Code(401, "", "invalid access token or token expired"),
    Code(403, "AccessDenied", "current user api does not support asynchronous calls"),
    Code(403, "AccessDenied.Unpurchased", "Access to model denied: not purchased."),
    Code(403, "Model.AccessDenied", "Model access denied."),
    Code(403, "Workspace.AccessDenied", "Workspace access denied."),
    Code(403, "Endpoint.AccessDenied", "Endpoint access denied."),
    Code(403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
    Code(404, "ModelNotFound", "Model can not be found."),
    Code(404, "WorkSpaceNotFound", "Workspace can not be found."),
    Code(429, "Throttling", "Requests throttling triggered."),
    Code(429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
    Code(429, "LimitRequests", "You exceeded your current requests list."),
    Code(429, "limit_requests", "You exceeded your current requests list."),
    Code(429, "Throttling.Concurrency", "Too many requests at one time."),
    Code(429, "Throttling.BurstRate", "Request rate increased too quickly."),
    Code(429, "limit_burst_rate", "Request rate increased too quickly."),
    Code(429, "Throttling.AllocationQuota", "Allocated quota exceeded, please try again later."),
    Code(429, "insufficient_quota", "You exceeded your current quota."),
    Code(429, "Throttling.AllocationQuota", "Free allocated quota exceeded."),
    Code(429, "insufficient_quota", "Free allocated quota exceeded."),
    Code(429, "CommodityNotPurchased", "The commodity has not been purchased."),
    Code(429, "PrepaidBillOverdue", "The prepaid bill is overdue."),
    Code(429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
    Code(500, "InternalError", "An internal error has occurred."),
    Code(500, "InternalError.Algo", "An internal error of the algorithm has occurred."),
    Code(500, "SystemError", "A system error has occurred."),
    Code(500, "ModelServiceFailed", "Failed to call the model service."),
    Code(500, "RequestTimeOut", "Request timed out, please try again later."),
    Code(500, "ModelServingError", "Too many requests, please try again later."),
    Code(503, "ModelServingError", "Too many requests, please try again later."),
    Code(503, "ModelUnavailable", "The model is unavailable, please try again later."),
    Code(503, "ServiceUnavailable", "The service is unavailable, please try again later."),
)
"""Every row of the service's error tables; `REJECT_CODES` are verdicts and not among them."""
