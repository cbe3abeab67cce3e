// The environment variables that say how to reach stores, and with which credentials.
//
// A head may have been started by another shell, so a client sends these along with an order; the
// head lays them over its own, in memory, for that transfer alone. Sources: the stores' own
// documents ("Configuring environment variables for the AWS CLI", "Authorize access to blobs",
// "Application Default Credentials"), and for R2 and COS the names that Skyplane reads.

const ofS3 = [
  ...["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"],
  ...["AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"],
  ...["AWS_ENDPOINT_URL_S3", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"],
];

const ofR2 = ["R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"];

const ofCos = [
  ...["COS_ACCESS_KEY_ID", "COS_SECRET_ACCESS_KEY", "COS_REGION", "COS_ENDPOINT"],
  "IBM_CONFIG_FILE",
];

const ofGoogle = [
  ...["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_CLOUD_PROJECT"],
  "CLOUDSDK_CORE_PROJECT",
  ...["CLOUDSDK_CONFIG", "STORAGE_EMULATOR_HOST"],
];

const ofAzure = [
  ...["AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"],
  ...["AZURE_STORAGE_ACCOUNT", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"],
];

const ofHdfs = ["HADOOP_USER_NAME", "HADOOP_DELEGATION_TOKEN"];

/** Which variables a client sends along. */
export const credentialVariables: readonly string[] = [
  ...[...ofS3, ...ofR2, ...ofCos, ...ofGoogle, ...ofAzure, ...ofHdfs],
];
