import { render } from 'preact';
import { App } from './app.tsx';
import { followAddress } from './place.ts';

followAddress();
render(<App />, document.getElementById('page') as HTMLElement);
