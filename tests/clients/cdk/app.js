// A stack with an asset, and a custom resource through the provider framework.
const path = require('path');
const { App, CfnOutput, CustomResource, Stack } = require('aws-cdk-lib');
const lambda = require('aws-cdk-lib/aws-lambda');
const s3 = require('aws-cdk-lib/aws-s3');
const { Provider } = require('aws-cdk-lib/custom-resources');

const app = new App();
const stack = new Stack(app, 'Clients', {
  env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: 'us-east-1' },
});
const code = lambda.Code.fromAsset(path.join(__dirname, 'function'));
const python = { runtime: lambda.Runtime.PYTHON_3_12, code };
const hello = new lambda.Function(stack, 'Hello', { ...python, handler: 'index.hello' });
const made = new lambda.Function(stack, 'Made', { ...python, handler: 'index.made' });
const provider = new Provider(stack, 'Provider', { onEventHandler: made });
const word = app.node.tryGetContext('word') ?? 'one';
const custom = new CustomResource(stack, 'Custom', {
  serviceToken: provider.serviceToken,
  properties: { Word: word },
});
new s3.Bucket(stack, 'Kept');
new CfnOutput(stack, 'Answer', { value: custom.getAttString('Answer') });
new CfnOutput(stack, 'Function', { value: hello.functionName });
